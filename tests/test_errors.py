from ugatit_tf.errors import RunError, UsageError


def test_a_message_is_one_line_whatever_is_in_it():
    message = "no größer\n.png\r\x1b[2J\u2028\udc80 here"
    assert str(RunError(message)) == "no größer\\n.png\\r\\x1b[2J\\u2028\\udc80 here"
    assert str(UsageError("--ch 0: must be at least 1.")) == "--ch 0: must be at least 1."
