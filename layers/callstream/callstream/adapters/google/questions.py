"""What Google is asked, as far as its services have that in common."""

from collections.abc import Mapping
from typing import Final, Literal

from google.cloud.dialogflow_v2.types import (
    AudioEncoding,
    EventInput,
    InputAudioConfig,
    QueryParameters,
    SentimentAnalysisRequestConfig,
)

from callstream.dialogues.virtual_agent import SAMPLE_RATE, DialogueTerms

WELCOME: Final = "WELCOME"
"""The event with which agents of both kinds begin."""

SILENCE_EVENTS: Final[Mapping[Literal["es", "cx"], str]] = {
    "es": "NO_SPEECH_RECOGNIZED",
    "cx": "sys.no-input-default",
}
"""The event of a person who says nothing: that of Google's own telephony, and CX's built-in."""


def input_audio(language: str) -> InputAudioConfig:
    """The audio of a turn, and what is wanted of its recogniser."""
    return InputAudioConfig(
        audio_encoding=AudioEncoding.AUDIO_ENCODING_LINEAR_16,
        sample_rate_hertz=SAMPLE_RATE,
        language_code=language,
        single_utterance=True,
        enable_voice_activity_events=True,
        # A stream is open while the agent speaks, and the person is silent: `report_silence` knows
        # how long the person has really said nothing.
        disable_no_speech_recognized_event=True,
    )


def event_input(name: str, language: str) -> EventInput:
    """An event of the call."""
    return EventInput(name=name, language_code=language)


def query_parameters(terms: DialogueTerms) -> QueryParameters:
    """What is wanted beside the answer."""
    return QueryParameters(
        sentiment_analysis_request_config=SentimentAnalysisRequestConfig(
            analyze_query_text_sentiment=terms.analyzes_sentiment
        )
    )
