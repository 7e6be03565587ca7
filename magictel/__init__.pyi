# What `magictel.__getattr__` loads, for type checkers: a stub, so that no import of it exists at run time. Tested fresh.
from __future__ import annotations

from magictel.catalogue.retry import RetryClass
from magictel.clock import Clock
from magictel.delivery.attempt import Attempted
from magictel.encoding.payload import Payload, Route, Run
from magictel.encoding.prepared import Prepared
from magictel.encoding.templates import Filled
from magictel.encoding.withheld import Withheld
from magictel.errors import MagictelError, PluginError, SettingsError, UsageError, WireError
from magictel.http.classify import judge_status
from magictel.http.error_rules import Rule
from magictel.http.wire import Reply, Request, Transport, Wire
from magictel.ladder.probe import probe
from magictel.model.finding import Finding, Rung, SideEffect, Status
from magictel.model.metrics import Attributes, Group, Kind, Point, Series, Stream
from magictel.model.outcome import (
    Delivered,
    Fate,
    ItemVerdict,
    Outcome,
    Partial,
    Reason,
    Receipt,
    Rejected,
    Throttled,
    TooLarge,
    Unavailable,
    Unconfirmed,
)
from magictel.model.verification import RUN_ID, Expected, SampleQuery, Seen, Unreadable, Value
from magictel.net.address import Address, parse_endpoint
from magictel.net.endpoint import Endpoint
from magictel.plugin.exporter import Exporter
from magictel.plugin.http_exporter import HttpExporter, HttpReadBack
from magictel.plugin.http_interface import Preparation
from magictel.plugin.interface import INTERFACE, Encoder, ReadBack
from magictel.plugin.page_exporter import PageExporter
from magictel.secrets.secret import Secret
from magictel.settings.login import LoginSettings, TenantSettings
from magictel.settings.model import ExporterSettings, HttpSettings, option
from magictel.settings.page import PageSettings

__all__ = [
    "INTERFACE",
    "RUN_ID",
    "Address",
    "Attempted",
    "Attributes",
    "Clock",
    "Delivered",
    "Encoder",
    "Endpoint",
    "Expected",
    "Exporter",
    "ExporterSettings",
    "Fate",
    "Filled",
    "Finding",
    "Group",
    "HttpExporter",
    "HttpReadBack",
    "HttpSettings",
    "ItemVerdict",
    "Kind",
    "LoginSettings",
    "MagictelError",
    "Outcome",
    "PageExporter",
    "PageSettings",
    "Partial",
    "Payload",
    "PluginError",
    "Point",
    "Preparation",
    "Prepared",
    "ReadBack",
    "Reason",
    "Receipt",
    "Rejected",
    "Reply",
    "Request",
    "RetryClass",
    "Route",
    "Rule",
    "Run",
    "Rung",
    "SampleQuery",
    "Secret",
    "Seen",
    "Series",
    "SettingsError",
    "SideEffect",
    "Status",
    "Stream",
    "TenantSettings",
    "Throttled",
    "TooLarge",
    "Transport",
    "Unavailable",
    "Unconfirmed",
    "Unreadable",
    "UsageError",
    "Value",
    "Wire",
    "WireError",
    "Withheld",
    "__version__",
    "judge_status",
    "option",
    "parse_endpoint",
    "probe",
]

__version__: str
