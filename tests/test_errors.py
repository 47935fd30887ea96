import pytest

from googlenet.errors import InputError, counted, is_number


def test_a_message_is_one_line_without_control_characters():
    assert str(InputError("a\nb\x1b[2Jc\x9bd é")) == "a\\nb\\x1b[2Jc\\x9bd é"


@pytest.mark.parametrize("things", ["class", "box", "push", "batch", "image", "step", "validation image"])
def test_one_thing_is_no_several_things(things: str):
    many = f"{things}es" if things in ("class", "box", "push", "batch") else f"{things}s"
    assert [counted(count, many) for count in (0, 1, 1400)] == [f"0 {many}", f"1 {things}", f"1,400 {many}"]


def test_a_number_is_in_the_digits_0_to_9():
    assert is_number("0129")
    assert not any(map(is_number, ("", "-1", "1.5", "²", "٣")))
