"""OpenTelemetry spans, when a collector is configured."""

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def open_tracing(endpoint: str) -> TracerProvider:
    """Make a provider whose spans go to a collector in the background."""
    provider = TracerProvider(resource=Resource.create({"service.name": "brokergw"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider
