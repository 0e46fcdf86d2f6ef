"""What the parameters that a transformer predicts are called in a report."""

import spatial_transformer as st

SHIFTS = ["shift x", "shift y"]
NAMES: dict[type[st.Family], list[str]] = {
    st.Translation: SHIFTS,
    st.Attention: ["scale", *SHIFTS],
    st.Rigid: ["turn (rad)", *SHIFTS],
    st.Similarity: ["scale", "turn (rad)", *SHIFTS],
    st.Affine: ["θ11", "θ12", "θ13", "θ21", "θ22", "θ23"],  # as in the paper, equation 1
    st.Projective: ["θ11", "θ12", "θ13", "θ21", "θ22", "θ23", "θ31", "θ32"],
}
# Of the families that have one (x, y) for each control point, what that is.
POINTWISE: dict[type[st.Family], str] = {
    st.PiecewiseAffine: "",
    st.ThinPlateSpline: "",
    st.BSpline: "shift ",
    st.Velocity: "velocity ",
}


def theta_names(family: st.Family) -> list[str]:
    """A name for each parameter of a 2D family; control points are numbered row by row, from 1."""
    if type(family) in NAMES:
        return NAMES[type(family)]
    what = POINTWISE[type(family)]
    return [f"{what}{axis} of point {k}" for k in range(1, family.parameter_count // 2 + 1) for axis in "xy"]
