"""The server: Google's four services over gRPC on 127.0.0.1, without TLS and credentials."""

import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from typing import Any, Final, Self

import grpc
from google.cloud import dialogflow_v2 as dialogflow

from callstream_cli.dialogflow import names
from callstream_cli.dialogflow.agent import Agent
from callstream_cli.dialogflow.conversations import PROFILES, Conversations, Profile
from callstream_cli.dialogflow.faults import CallFaults, Fault, Faults
from callstream_cli.dialogflow.hearing import Ear
from callstream_cli.dialogflow.refused import Gone, Refused
from callstream_cli.dialogflow.service import Service
from callstream_cli.dialogflow.streams import Messages
from callstream_cli.dialogflow.watching import Call, Nobody, Watcher

HOST: Final = "127.0.0.1"
PORT: Final = 4590
"""Where the local stack looks for the service."""

_PACKAGE: Final = "google.cloud.dialogflow.v2"
# Each stream has a thread while it lasts.
_THREADS: Final = 64
_PATIENCE_S: Final = 10.0
_AGENT: Final = Agent()
_NOBODY: Final = Nobody()


class FakeDialogflow:
    """Google's Dialogflow, as far as Callstream uses it, with a scripted agent.

    Holds clients to Google's rules: what breaks them gets the status that Google gives. Use it as a
    context manager. It may misbehave on command.

    Args:
        new_ear: makes what recognises the audio of a stream.
        agent: answers.
        port: where to listen; 0 is any free port.
        profiles: the conversation profiles that exist, by their ids.
        location: the region that the server stands for. None takes all, except where the client
            says by gRPC's authority that it calls Google's host of another region.
        patience_s: how long a client may send no audio in a stream.
        history: how many calls are remembered.
        watcher: learns what happens.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self,
        new_ear: Callable[[], Ear],
        agent: Agent = _AGENT,
        *,
        port: int = 0,
        profiles: Mapping[str, Profile] = PROFILES,
        location: str | None = None,
        patience_s: float = _PATIENCE_S,
        history: int = 1000,
        watcher: Watcher = _NOBODY,
    ) -> None:
        self.calls: deque[Call] = deque(maxlen=history)
        """What clients have asked for, the oldest first."""
        self._watcher = watcher
        self._changed = Condition()
        self._faults = Faults()
        self._location = location
        self._patience_s = patience_s
        self._conversations = Conversations(profiles, watcher)
        self._service = Service(self._conversations, agent, new_ear, watcher)
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, "dialogflow"),
            # A second server on the same port is a mistake.
            options=[("grpc.so_reuseport", 0)],
        )
        self._server.add_generic_rpc_handlers(tuple(self._handlers()))
        if port:
            # Of a taken port, gRPC writes lines of its own to the terminal.
            socket.create_server((HOST, port)).close()
        try:
            self.port = self._server.add_insecure_port(f"{HOST}:{port}")
        except RuntimeError:
            raise OSError(f"cannot listen on {HOST}:{port}") from None

    @property
    def address(self) -> str:
        """Where clients connect to, without TLS."""
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=0).wait()

    def misbehave(self, fault: Fault, times: int | None = 1) -> None:
        """Let a fault strike the next calls that it is for; None is all of them."""
        self._faults.add(fault, times)

    def behave(self) -> None:
        """Forget the faults that have struck no call yet."""
        self._faults.clear()

    def of(self, method: str) -> list[Call]:
        """The calls of a method, the oldest first."""
        return [call for call in [*self.calls] if call.method == method]

    def wait_for(self, is_so: Callable[["FakeDialogflow"], bool], seconds: float = 10.0) -> bool:
        """Wait until something is so of the calls; whether it is at last."""
        with self._changed:
            return self._changed.wait_for(lambda: is_so(self), seconds)

    def _handlers(self) -> Iterator[Any]:
        conversations, service = self._conversations, self._service
        place_of_name = names.conversation
        methods: Mapping[str, Mapping[str, Any]] = {
            "ConversationProfiles": {
                "GetConversationProfile": self._unary(
                    dialogflow.GetConversationProfileRequest,
                    dialogflow.ConversationProfile,
                    lambda request, _: conversations.profile(request.name),
                    lambda request: names.profile(request.name)[0],
                )
            },
            "Conversations": {
                "CreateConversation": self._unary(
                    dialogflow.CreateConversationRequest,
                    dialogflow.Conversation,
                    lambda request, _: conversations.create(request),
                    lambda request: names.parent(request.parent),
                ),
                "CompleteConversation": self._unary(
                    dialogflow.CompleteConversationRequest,
                    dialogflow.Conversation,
                    lambda request, _: conversations.complete(request),
                    lambda request: place_of_name(request.name),
                ),
            },
            "Participants": {
                "CreateParticipant": self._unary(
                    dialogflow.CreateParticipantRequest,
                    dialogflow.Participant,
                    lambda request, _: conversations.create_participant(request),
                    lambda request: place_of_name(request.parent),
                ),
                "AnalyzeContent": self._unary(
                    dialogflow.AnalyzeContentRequest,
                    dialogflow.AnalyzeContentResponse,
                    service.analyze_content,
                    lambda request: names.participant(request.participant)[0],
                ),
                "StreamingAnalyzeContent": self._stream(
                    dialogflow.StreamingAnalyzeContentRequest,
                    dialogflow.StreamingAnalyzeContentResponse,
                    service.streaming_analyze_content,
                    lambda request: names.participant(request.participant)[0],
                ),
            },
            "Sessions": {
                "StreamingDetectIntent": self._stream(
                    dialogflow.StreamingDetectIntentRequest,
                    dialogflow.StreamingDetectIntentResponse,
                    service.streaming_detect_intent,
                    lambda request: names.session(request.session),
                )
            },
        }
        for name, handlers in methods.items():
            named = {method: make(method) for method, make in handlers.items()}
            yield grpc.method_handlers_generic_handler(f"{_PACKAGE}.{name}", named)

    def _unary(
        self,
        request_class: Any,  # noqa: ANN401 - proto-plus has no types of its classes
        response_class: Any,  # noqa: ANN401
        answer: Callable[[Any, CallFaults], Any],
        place: Callable[[Any], names.Place],
    ) -> Callable[[str], Any]:
        def handler(method: str) -> Any:  # noqa: ANN401 - gRPC has no types
            def handle(request: Any, context: Any) -> Any:  # noqa: ANN401
                with self._call(method, context) as (call, faults):
                    self._note(call, request)
                    self._note(call, None)
                    names.check_region(place(request), self._location, _host(context))
                    faults.reach("start")
                    response = answer(request, faults)
                    call.responses.append(response)
                    return response

            return grpc.unary_unary_rpc_method_handler(
                handle, request_class.deserialize, response_class.serialize
            )

        return handler

    def _stream(
        self,
        request_class: Any,  # noqa: ANN401
        response_class: Any,  # noqa: ANN401
        answers: Callable[[Messages, CallFaults], Iterator[Any]],
        place: Callable[[Any], names.Place],
    ) -> Callable[[str], Any]:
        def handler(method: str) -> Any:  # noqa: ANN401
            def handle(incoming: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: ANN401
                with self._call(method, context) as (call, faults):

                    def note(message: Any | None) -> None:  # noqa: ANN401
                        is_first = not call.messages
                        self._note(call, message)
                        if is_first and message is not None:
                            names.check_region(place(message), self._location, _host(context))

                    messages = Messages(incoming, self._patience_s, note)
                    context.add_callback(messages.give_up)
                    for response in answers(messages, faults):
                        call.responses.append(response)
                        yield response

            return grpc.stream_stream_rpc_method_handler(
                handle, request_class.deserialize, response_class.serialize
            )

        return handler

    @contextmanager
    def _call(self, method: str, context: Any) -> Iterator[tuple[Call, CallFaults]]:  # noqa: ANN401
        """Keep the log of a call, and end the call as it deserves."""
        call, faults = Call(method), self._faults.take(method)
        context.add_callback(faults.over.set)
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        status = "OK"
        try:
            yield call, faults
        except Refused as refused:
            call.details = refused.details
            self._end(call, refused.code.name)
            context.abort(refused.code, refused.details)
        except (Gone, GeneratorExit):
            status = "CANCELLED"
            context.cancel()
        except BaseException:
            status = "UNKNOWN"
            raise
        finally:
            self._end(call, status)

    def _end(self, call: Call, status: str) -> None:
        if call.status is not None:
            return
        with self._changed:
            call.status = status
            self._changed.notify_all()
        self._watcher.ended(call)

    def _note(self, call: Call, message: Any | None) -> None:  # noqa: ANN401
        """Note a client's message, or None: its half-close."""
        with self._changed:
            if message is None:
                call.is_half_closed = True
            elif (audio := getattr(message, "input_audio", b"")) and call.messages:
                call.audio += audio
                call.pieces += 1
            else:
                call.messages.append(message)
            self._changed.notify_all()


def _host(context: Any) -> str:  # noqa: ANN401
    """The host that a client takes the server to be; the library has no public way to it."""
    host: bytes = context._rpc_event.call_details.host  # noqa: SLF001
    return host.decode("latin-1")
