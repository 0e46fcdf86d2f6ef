"""CSV: which headers are understood, and what is said of tables that are not."""

import pytest

from stn_lab.errors import UserError
from stn_lab.images import ReadOptions, read

from .conftest import picture

FILES = [(f"pictures/{label} {number}.png", label) for label in ("cat", "dog") for number in range(4)]


@pytest.fixture
def table(tmp_path):
    """Writes a CSV beside eight pictures: a header, and a row made of each path and label."""
    for number, (name, _) in enumerate(FILES):
        picture(tmp_path / name, (20, 10), seed=number)

    def write(header, row="{path},{label}", *extra, encoding="utf-8"):
        lines = [header, *(row.format(path=path, label=label) for path, label in FILES), *extra]
        path = tmp_path / "table.csv"
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


def everything(data):
    return {
        images.name(index): (data.classes[images.labels[index]], images.boxes[index].tolist())
        for images in (data.train, data.validation, data.test)
        for index in range(len(images))
    }


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("path,label", "{path},{label}"),
        ("Label;File Name", "{label};{path}"),
        ("image_path\tclass", "{path}\t{label}"),
        ("id,FILENAME,Category", "7,{path},{label}"),
        ('"Image","Target"', '"{path}","{label}"'),
        ("img, species", "{path}, {label}"),
        ("path,label", "./{path},{label}"),
    ],
)
def test_headers(table, header, row):
    data = read(table(header, row))
    assert data.classes == ("cat", "dog")
    found = everything(data)
    assert {label for name, (label, _) in found.items() if "cat" in name} == {"cat"}
    assert len(found) == 8
    assert not data.train.has_boxes


def test_a_byte_order_mark_and_backslashes(table):
    path = table("path,label", encoding="utf-8-sig")
    path.write_text(path.read_text(encoding="utf-8-sig").replace("/", "\\"), encoding="utf-8-sig")
    assert len(everything(read(path))) == 8


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        ("left,top,right,bottom", "0,0,10,5"),
        ("xmin,ymin,xmax,ymax", "0,0,10,5"),
        ("X1,Y1,X2,Y2", "0.0,0.0,10.0,5.0"),
        ("Roi.X1,Roi.Y1,Roi.X2,Roi.Y2", "0,0,10,5"),
        ("bbox_x,bbox_y,bbox_width,bbox_height", "0,0,10,5"),
        ("x,y,w,h", "0,0,10,5"),
        ("left,top,width,height", "0,0,10,5"),
        ("ymin,xmin,ymax,xmax", "0,0,5,10"),
    ],
)
def test_boxes(table, names, numbers):
    """The upper left quarter of 20 x 10 pixels."""
    data = read(table(f"path,label,{names}", "{path},{label}," + numbers))
    assert {tuple(box) for _, box in everything(data).values()} == {(-1.0, -1.0, 0.0, 0.0)}


def test_widths_and_heights_are_not_corners(table):
    data = read(table("path,label,x,y,width,height", "{path},{label},10,5,5,5"))
    assert {tuple(box) for _, box in everything(data).values()} == {(0.0, 0.0, 0.5, 1.0)}


def test_boxes_in_parts_of_the_image(table):
    data = read(table("path,label,left,top,right,bottom", "{path},{label},0,0,0.5,0.5"))
    assert {tuple(box) for _, box in everything(data).values()} == {(-1.0, -1.0, 0.0, 0.0)}
    assert "parts of the width" in data.summary()


def test_boxes_beyond_their_images_are_a_note(table):
    data = read(table("path,label,left,top,right,bottom", "{path},{label},0,0,21,30"))
    assert "8 boxes reach beyond" in data.summary()


def test_some_have_no_box(table):
    data = read(table("path,label,x1,y1,x2,y2", "{path},{label},,,,", "pictures/cat 0.png,cat,1,1,2,2"))
    assert not data.train.has_boxes  # the first row of an image counts
    assert "1 rows name an image" in data.summary()


def test_a_column_of_splits(table):
    path = table("path,label,Split")
    rows = [
        f"{name},{label},{'train' if number % 4 < 2 else ('val', 'TEST')[number % 2]}"
        for number, (name, label) in enumerate(FILES)
    ]
    path.write_text("\n".join(["path,label,Split", *rows]))
    data = read(path)
    assert (len(data.train), len(data.validation), len(data.test)) == (4, 2, 2)


def test_a_column_of_splits_that_names_others_is_a_note(table):
    data = read(table("path,label,split", "{path},{label},train", "pictures/cat 9.png,cat,holdout"))
    assert "'split' is not read as a split, as it holds 'holdout'" in data.summary()


@pytest.mark.parametrize("name", ["a" * 5000, "a" * 5000 + ".png"])
def test_a_path_that_is_too_long_is_skipped(table, name):
    (skipped,) = read(table("path,label", "{path},{label}", f"{name},cat")).skipped
    assert "too long" in skipped.reason


def test_groups_by_column_and_by_expression(table):
    path = table("path,label,Animal No", "{path},{label},{path}")
    data = read(path, ReadOptions(group_by="animal_no"))
    assert len(everything(data)) == 8
    assert len(everything(read(path, ReadOptions(group_by=r"\d\.png")))) == 8
    with pytest.raises(UserError, match="'zebra' is no column"):
        read(path, ReadOptions(group_by="zebra"))


def test_identifiers_without_a_suffix(table):
    path = table("image_id,label")
    path.write_text(path.read_text().replace(".png", ""))
    assert len(everything(read(path))) == 8


def test_rows_that_cannot_be_used_are_listed(table):
    path = table("path,label", "{path},{label}", "pictures/cat 0.png,", "gone.png,cat", "pictures/dog 1.png,dog,7")
    data = read(path)
    assert len(everything(data)) == 8
    assert [(name.split("/")[-1], reason) for name, reason in data.skipped] == [
        ("table.csv, line 10", "no label"),
        ("table.csv, line 12", "3 values under 2 names"),
        ("gone.png", "not there"),
    ]


@pytest.mark.parametrize(
    ("header", "row", "extra", "message"),
    [
        ("pictures/cat 0.png,cat", "{path},{label}", (), "has no header: its first line is 'pictures/cat 0.png,cat'"),
        (
            "path,colour",
            "{path},{label}",
            (),
            "no column names its class; its columns are 'path', 'colour'; call one 'label'",
        ),
        ("where,label", "{path},{label}", (), "no column names the image; its columns are 'where', 'label'"),
        ("path,label", "else/{path},{label}", (), r"8 of its 8 files are not there, the first .*else.*relative"),
        ("path,label", "{path},{label}", ("pictures/cat 0.png,dog",), "'dog' here and 'cat' further up"),
        ("path,label,x1,y1,x2,y2", "{path},{label},a,1,2,3", (), "line 2: a box should be four numbers"),
        ("path,label,x1,y1,x2,y2", "{path},{label},5,5,2,9", (), "line 2: a box from .* holds nothing"),
        ("path,label", "{path},cat", (), "one class only, 'cat'"),
    ],
)
def test_one_line_says_what_is_wrong(table, header, row, extra, message):
    with pytest.raises(UserError, match=message) as error:
        read(table(header, row, *extra))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"path,label\n", "one line only"),
        (b'path,label\na.png,cat\n"b.png,cat\nc.png,dog\n', r'line 3: a quote \("\) opens there'),
        (b'path,label\r\na.png,"cat\r\nb.png,cat\r\nc.png,dog\r\n', r'line 2: a quote \("\) opens there'),
        ("path,label\nn\xf6,1\n".encode("latin-1"), "not in UTF-8"),
    ],
)
def test_files_that_are_no_tables(tmp_path, content, message):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read(path)


def test_lines_may_end_as_on_an_old_macintosh(table):
    path = table("path,label", "{path},{label}")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r").replace(b"pictures/", b"pictures;;;/"))
    path.parent.joinpath("pictures").rename(path.parent / "pictures;;;")  # as a separator it would be found more often
    assert read(path).classes == ("cat", "dog")
