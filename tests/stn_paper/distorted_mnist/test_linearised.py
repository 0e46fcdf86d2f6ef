import torch

import spatial_transformer as st
from stn_paper.tables import TABLES

TABLE = TABLES["linearised"]
ROWS = {row.name: row for row in TABLE.rows}


def test_the_rows_differ_in_the_gradient_alone():
    scene = TABLE.columns["T"]
    for name in ("ST-FCN-Aff", "ST-CNN-Aff"):
        torch.manual_seed(0)
        plain = ROWS[name].build(scene, 64)
        torch.manual_seed(0)
        linearised = ROWS[f"{name}-linearised"].build(scene, 64)
        assert plain.transformer.mode == "bilinear"
        assert linearised.transformer.mode == st.Linearised()
        images = torch.rand(2, 1, 60, 60)
        torch.testing.assert_close(plain(images), linearised(images))
