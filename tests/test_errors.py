from googlenet.errors import InputError


def test_a_message_is_one_line_without_control_characters():
    assert str(InputError("a\nb\x1b[2Jc\x9bd é")) == "a\\nb\\x1b[2Jc\\x9bd é"
