"""A bot that says back what it hears: the least that an agent or a fork's consumer has to do.

    pip install websockets
    python3 echo.py
    ./callstream agents add demo ws://127.0.0.1:8080/ --inbox inbox-123 --dialect telnyx

Speaks Telnyx's dialect, or Twilio's (--dialect twilio). docs/bots.md goes on from here.
"""

import asyncio
import json
import os
from typing import Any

from websockets.asyncio.server import ServerConnection, serve


async def talk(connection: ServerConnection) -> None:
    """One call: a connection brings its messages, each a JSON object."""
    stream: dict[str, Any] = {}
    pieces = 0
    async for text in connection:
        message = json.loads(text)
        match message["event"]:
            case "start":
                # Twilio wants the id of the stream in each answer. Telnyx does not mind one.
                stream = {name: message[name] for name in ("streamSid",) if name in message}
                print("start:", message["start"], flush=True)
            case "media" if message["media"]["track"] == "inbound":
                media = {"payload": message["media"]["payload"]}
                await connection.send(json.dumps({"event": "media", "media": media} | stream))
                pieces += 1
            case "dtmf":
                # A key drops what is not played yet: a caller who cuts in should be heard.
                await connection.send(json.dumps({"event": "clear"} | stream))
            case "error" | "stop":
                print(f"{message['event']}:", message, flush=True)
    print(f"the call is over: {pieces} pieces said back", flush=True)


async def main() -> None:
    """Listen until Ctrl-C."""
    async with serve(talk, "127.0.0.1", int(os.environ.get("PORT", "8080"))) as server:
        print(f"listening on port {server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
