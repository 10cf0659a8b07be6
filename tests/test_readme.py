"""What stands in the README runs, one snippet after the other, and prints what it says."""

import re
from pathlib import Path


def test_the_snippets_run_and_print_what_they_say(capsys):
    text = (Path(__file__).parent.parent / "README.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert len(promised) >= 4 and [line for line in printed if line in promised] == promised
