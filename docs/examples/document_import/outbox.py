"""Mail, as a file: in a real service this would speak SMTP."""

import shelf

from procactors import step


@step
async def write_mail(to, text):
    with (shelf.FOLDER / "outbox.txt").open("a", encoding="utf-8") as outbox:
        outbox.write(f"to {to}: {text}\n")
