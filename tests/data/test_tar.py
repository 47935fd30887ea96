"""Tar headers against Python's own tar module, and damaged files."""

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from googlenet.data.tar import members
from googlenet.errors import InputError


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_where_pythons_module_finds_them(tmp_path, write_shard, format):
    long = "folder/" + "n" * 90 + "/" + "m" * 60
    content = [("a.jpg", b"x" * 512), ("b", b""), (long, b"yy"), ("folder/c.cls", b"7")]
    if format != tarfile.USTAR_FORMAT:
        content += [("z" * 300 + ".jpg", b"far"), ("grüße.jpg", b"n")]
    path = write_shard(tmp_path / "x.tar", content, format)
    with path.open("rb") as file:
        found = list(members(file, path.stat().st_size, "x.tar"))
        for member, (name, data) in zip(found, content, strict=True):
            assert member.name.decode() == name
            file.seek(member.offset)
            assert file.read(member.length) == data
    with tarfile.open(path) as archive:
        assert [(m.name, m.offset_data, m.size) for m in archive] == [(m.name.decode(), *m[1:]) for m in found]


def test_folders_and_links_are_no_members(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        folder, link = tarfile.TarInfo("folder"), tarfile.TarInfo("link")
        folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(folder)
        archive.addfile(link)
        file = tarfile.TarInfo("folder/a.jpg")
        file.size = 3
        archive.addfile(file, io.BytesIO(b"abc"))
    with path.open("rb") as stream:
        assert [m.name for m in members(stream, path.stat().st_size, "x.tar")] == [b"folder/a.jpg"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda whole: b"", "empty"),
        (lambda whole: b"text" * 400, "not a tar file"),
        (lambda whole: whole[:300], "not a tar file"),
        (lambda whole: whole[:900], "cut off in the member at byte 0"),
        (lambda whole: whole[:1700], "damaged or cut off at byte 1536"),
        (lambda whole: whole[:1536] + b"x" + whole[1537:], "damaged or cut off at byte 1536"),
        (lambda whole: whole[:2048] + whole[2048:2060], "cut off in the member at byte 1536"),
    ],
)
def test_damaged_files_are_refused(tmp_path, write_shard, damage, message):
    path = write_shard(tmp_path / "x.tar", [("a.jpg", b"a" * 1000), ("b.jpg", b"b" * 1000)])
    path.write_bytes(damage(path.read_bytes()))
    with path.open("rb") as file, pytest.raises(InputError, match=f"x.tar: {message}"):
        list(members(file, path.stat().st_size, "x.tar"))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_flipped_byte_leads_out_of_the_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("tar") / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a.jpg", "é" * 80 + ".cls"):
            member = tarfile.TarInfo(name)
            member.size = 600
            archive.addfile(member, io.BytesIO(b"1" * 600))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with path.open("rb") as file, contextlib.suppress(InputError):
        for member in members(file, path.stat().st_size, "x.tar"):
            assert 0 <= member.offset <= member.offset + member.length <= path.stat().st_size
