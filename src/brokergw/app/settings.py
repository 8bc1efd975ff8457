"""Every setting, once: its name, default and meaning. `docs/settings.md` is written from here.

Values come from the environment, `BROKERGW_` before the name; the two names that other programs share keep their own.
"""

from decimal import Decimal
from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from brokergw.app.settings_brokers import BrokerSettings
from brokergw.app.settings_edge import EdgeSettings
from brokergw.app.settings_identity import IdentitySettings
from brokergw.desk.gates.standard import GateSettings
from brokergw.desk.limits.day import TradingDays, minutes_of
from brokergw.desk.live.rules import LiveRules
from brokergw.desk.reconcile.schedule import ReconcileSettings
from brokergw.model.account import Environment
from brokergw.model.limits import Limits
from brokergw.model.reconciliation import CashPolicy, PositionPolicy
from brokergw.transport.mail import MailSecurity


class Settings(BrokerSettings, EdgeSettings, IdentitySettings):
    """How one process of the gateway runs. Secrets print as stars."""

    model_config = SettingsConfigDict(env_prefix="BROKERGW_", frozen=True, extra="ignore", populate_by_name=True)

    listen: str = Field("127.0.0.1:50051", description="Address of the gRPC server; port 0 takes a free one.")
    metrics_listen: str = Field(
        "127.0.0.1:9464", description="Address of the Prometheus page; empty switches it off, port 0 takes a free one."
    )
    data_dir: Path = Field(
        Path("var"), description="Where the embedded database, generated keys and the mock broker's journal live."
    )
    database_url: str = Field(
        "", description="`sqlite:////path/file.db` or `postgresql://user@host/name`; empty is SQLite in data_dir."
    )
    database_owner_url: SecretStr | None = Field(
        None,
        description="URL of the same PostgreSQL database as the owner of its tables, for `brokergw db upgrade` alone; "
        "who serves must own nothing (docs/separation.md).",
    )
    database_auto_upgrade: bool | None = Field(
        None, description="Bring the tables up to date at start; when not set, only SQLite does."
    )

    tls_certificate: str = Field("", description="PEM file of the server's certificate chain; read again on change.")
    tls_private_key: str = Field("", description="PEM file of the certificate's private key.")
    tls_client_ca: str = Field("", description="PEM file of the authorities whose client certificates are required.")
    allow_plaintext: bool = Field(False, description="Serve without TLS also beyond loopback, behind a proxy.")
    reflection: bool = Field(True, description="Serve gRPC reflection (to callers with a key).")

    credentials_encryption_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("CREDENTIALS_ENCRYPTION_KEY", "credentials_encryption_key"),
        description="32 bytes in base64 that seal broker credentials, or several by comma of which the first seals "
        "(docs/vault.md); when not set, made once in data_dir.",
    )
    credentials_key_file: Path | None = Field(
        None, description="File of such keys instead, one a line; read again on change."
    )
    signing_key: SecretStr | None = Field(
        None,
        description="32 bytes in base64 behind API key hashes, cursors and page tokens; when not set, made once in "
        "data_dir. Several replicas must share it.",
    )

    oauth_redirect_base_url: str = Field(
        "",
        validation_alias=AliasChoices("OAUTH_REDIRECT_BASE_URL", "oauth_redirect_base_url"),
        description="Where brokers send people back to: `https://` or loopback (docs/oauth.md); empty is no OAuth.",
    )
    web_listen: str = Field("", description="Address of the web server that takes them; empty serves none.")
    alpaca_oauth_url: str = Field("", description="Another authorization server for Alpaca than its own.")
    ctrader_oauth_url: str = Field("", description="Another authorization server for cTrader than its own.")
    schwab_oauth_url: str = Field("", description="Another authorization server for Schwab than its own.")

    orders_per_minute: int = Field(3_000, ge=1, description="Order calls one user may make in a minute.")
    reads_per_minute: int = Field(12_000, ge=1, description="Reads one user may make in a minute.")
    connections_per_minute: int = Field(60, ge=1, description="Connection calls one user may make in a minute.")
    streams_max: int = Field(100, ge=1, description="Streams one user may hold open at once.")
    calls_in_flight_max: int = Field(1_000, ge=1, description="Unary calls that one user may have running at once.")
    address_calls_per_minute: int = Field(
        600_000, ge=0, description="Calls from one address in a minute, before any credential is looked at; 0: any."
    )
    failed_credentials_per_minute: int = Field(
        60, ge=0, description="Wrong keys one address may show in a minute; 0 does not count."
    )
    order_notional_max: Decimal = Field(
        Decimal(1_000_000), gt=0, description="What one order may be worth at most, in the instrument's currency."
    )
    initial_mode: Literal["MOCK", "PAPER"] = Field(
        "MOCK", description="How far a user may trade who has chosen nothing: the mock broker only, or paper too."
    )
    live_code_age_max_s: float = Field(
        43_200.0, gt=0, description="Seconds that a code of the authenticator is good for orders at live accounts."
    )
    live_step_up_notional: Decimal | None = Field(
        None,
        ge=0,
        description="What a live order may cost at worst, in the base currency, before the code must be fresher; not "
        "set asks for no such.",
    )
    live_step_up_age_max_s: float = Field(
        300.0, gt=0, description="Seconds that a code is good for live orders above that worth."
    )
    live_paper_orders_min: int = Field(
        0, ge=0, description="Orders filled on paper that a user needs before live trading; 0 asks for none."
    )
    live_paper_days_min: int = Field(
        0, ge=0, description="UTC days with fills on paper that a user needs before live trading; 0 asks for none."
    )

    position_notional_max: Decimal = Field(
        Decimal(10_000_000),
        gt=0,
        description="What the worst case of one symbol in one account may be worth: its position with its open orders.",
    )
    exposure_max: Decimal = Field(
        Decimal(50_000_000),
        gt=0,
        description="What the worst cases of all of one user's symbols may be worth together.",
    )
    daily_volume_max: Decimal = Field(
        Decimal(1_000_000_000), gt=0, description="What one user may trade in a trading day, open orders included."
    )
    daily_loss_max: Decimal = Field(
        Decimal(1_000_000), gt=0, description="What one user may lose in a trading day before it may only reduce."
    )
    orders_per_day_max: int = Field(10_000_000, ge=1, description="Orders of one user in a trading day.")
    orders_per_minute_max: int = Field(1_000_000, ge=1, description="Orders of one user in any sixty seconds.")
    open_orders_max: int = Field(100_000, ge=1, description="Orders of one user that may be open at once.")
    leverage_max: int = Field(20, ge=1, description="The highest leverage that a user may choose for a symbol.")
    price_collar_percent: Decimal = Field(
        Decimal(10), gt=0, description="How far a price may lie from the reference price for the worse, in percent."
    )
    duplicate_window_s: float = Field(
        2.0,
        ge=0,
        description="Seconds in which the same order again is taken for a mistake; 0 does not look.",
    )
    base_currency: str = Field("USD", description="Currency that limits and amounts of risk are in.")
    par_currencies: str = Field(
        "USD,USDT,USDC", description="Currencies, by comma, that count one for one with each other."
    )
    trading_day_zone: str = Field("America/New_York", description="Time zone whose clocks begin a trading day.")
    trading_day_start: str = Field(
        "00:00", description="When a trading day begins there; a time from noon on begins the next day's."
    )
    drain_grace_s: float = Field(30.0, gt=0, description="Seconds that calls in flight get to end at shutdown.")
    stream_age_max_s: float | None = Field(
        None, gt=0, description="Seconds after which a stream is ended with its cursor; not set means never."
    )
    stream_stall_max_s: float = Field(
        30.0, gt=0, description="Seconds that a subscriber may leave its stream unread before it is ended as too slow."
    )

    sweep_live_s: float = Field(
        10.0, gt=0, description="Seconds between comparisons of a connection's open orders while its stream is live."
    )
    sweep_blind_s: float = Field(3.0, gt=0, description="The same while the stream is down.")

    reconcile_every_s: float = Field(
        60.0,
        gt=0,
        description="Seconds between comparisons of an account's positions, orders and cash with its broker.",
    )
    reconcile_positions: Literal["HALT", "ADOPT"] = Field(
        "HALT",
        description="What is done about a position that changed without an order, for users without a policy of their "
        "own: halt their strategies, or take the change over.",
    )
    reconcile_cash: Literal["HALT", "WARN", "IGNORE"] = Field(
        "WARN", description="The same about cash that moved beyond what trades, fees and transactions come to."
    )
    reconcile_cash_tolerance: Decimal = Field(
        Decimal(1), ge=0, description="What cash may be off in one comparison, in the account's currency."
    )
    reconcile_keep_days: int = Field(90, ge=1, description="Days that findings of comparisons are kept.")

    absence_quarantine_s: float = Field(
        900.0,
        gt=0,
        description="Seconds that an order proved absent at its broker is waited for, lest it is born late.",
    )
    key_retention_days: int = Field(30, ge=1, description="Days that an idempotency key answers with its first result.")
    key_tombstone_days: int = Field(
        400, ge=1, description="Days that a key is known to have been used, so that it places nothing again."
    )

    event_retention_days: int = Field(
        0,
        ge=0,
        description="Days that the events of accounts are kept, from which streams resume; 0 is for ever, and no less "
        "than keys answer (docs/api.md).",
    )
    audit_retention_days: int = Field(
        0, ge=0, description="Days that the audit log is kept; 0 is for ever (docs/audit.md)."
    )

    calendar_overrides: str = Field(
        "",
        description="TOML file of closures, other hours and maintenance, which win over calendars and brokers "
        "(docs/hours.md); read again on change, and while it cannot be read no order is taken.",
    )

    alert_webhook_url: SecretStr | None = Field(
        None, description="Where alerts are sent as signed JSON (HTTP POST), with whatever key the address holds."
    )
    alert_webhook_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="What alerts to the webhook are signed with (HMAC-SHA256); 16 characters or more.",
    )
    alert_email_server: str = Field("", description="Mail server (`host:port`) that takes alerts; empty sends no mail.")
    alert_email_security: MailSecurity = Field(
        MailSecurity.STARTTLS, description="`starttls`, `tls` (from the first byte) or `none`."
    )
    alert_email_user: str = Field("", description="Whom to log in as at the mail server; empty logs nobody in.")
    alert_email_password: SecretStr | None = Field(None, description="That user's password.")
    alert_email_from: str = Field("", description="Sender of alert mails.")
    alert_email_to: str = Field("", description="Recipients of alert mails, separated by commas.")

    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")
    otlp_endpoint: str = Field(
        "",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint"),
        description="OpenTelemetry collector (OTLP over gRPC) that spans are sent to; empty sends none.",
    )

    chaos: str = Field(
        "",
        description="For tests only: where the process kills or stops itself, such as `C5:3:kill` (docs/chaos.md); "
        "loopback and paper money only.",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if bool(self.tls_certificate) is not bool(self.tls_private_key):
            raise ValueError("tls_certificate and tls_private_key go together")
        return self

    @model_validator(mode="after")
    def _credentials_keys_have_one_place(self) -> Self:
        if self.credentials_encryption_key is not None and self.credentials_key_file is not None:
            raise ValueError("CREDENTIALS_ENCRYPTION_KEY and credentials_key_file exclude each other")
        return self

    @model_validator(mode="after")
    def _events_outlive_keys(self) -> Self:
        # The answer of a key is the order as it stood then, and that is an event.
        if 0 < self.event_retention_days < self.key_retention_days:
            raise ValueError("event_retention_days must be 0, or no less than key_retention_days")
        return self

    @model_validator(mode="after")
    def _alerts_are_whole(self) -> Self:
        if (self.alert_webhook_url is None) is not (self.alert_webhook_secret is None):
            raise ValueError("alert_webhook_url and alert_webhook_secret go together")
        if self.alert_email_server and not (self.alert_email_from and self.alert_email_to):
            raise ValueError("alert_email_server needs alert_email_from and alert_email_to")
        return self

    @model_validator(mode="after")
    def _trading_day_exists(self) -> Self:
        self.trading_days()
        return self

    def trading_days(self) -> TradingDays:
        """Make the calendar of trading days; raises ValueError for a zone or a time that there is not."""
        try:
            return TradingDays(self.trading_day_zone, minutes_of(self.trading_day_start))
        except (KeyError, OSError) as error:
            raise ValueError(f"trading_day_zone {self.trading_day_zone!r} is no IANA time zone") from error

    @property
    def reconcile(self) -> ReconcileSettings:
        """How accounts are compared."""
        return ReconcileSettings(
            every_s=self.reconcile_every_s,
            positions=PositionPolicy(self.reconcile_positions),
            cash=CashPolicy(self.reconcile_cash),
            cash_tolerance=self.reconcile_cash_tolerance,
            keep_days=self.reconcile_keep_days,
        )

    @property
    def gate_settings(self) -> GateSettings:
        """What the gates go by."""
        return GateSettings(
            order_notional_max=self.order_notional_max,
            base_currency=self.base_currency,
            par_currencies=frozenset(self.par_currencies.split(",")),
            duplicate_window_s=self.duplicate_window_s,
        )

    @property
    def mandatory_limits(self) -> Limits:
        """The platform's limits that nobody can raise; units alone have none, since their worth has one."""
        return Limits(
            order_notional_max=self.order_notional_max,
            position_notional_max=self.position_notional_max,
            exposure_max=self.exposure_max,
            daily_volume_max=self.daily_volume_max,
            daily_loss_max=self.daily_loss_max,
            orders_per_day_max=self.orders_per_day_max,
            orders_per_minute_max=self.orders_per_minute_max,
            open_orders_max=self.open_orders_max,
            leverage_max=self.leverage_max,
            price_collar_percent=self.price_collar_percent,
        )

    @property
    def live_rules(self) -> LiveRules:
        """What is asked of those who trade live money."""
        return LiveRules(
            initial_mode=Environment(self.initial_mode),
            code_age_max_s=self.live_code_age_max_s,
            step_up_notional=self.live_step_up_notional,
            step_up_age_max_s=self.live_step_up_age_max_s,
            paper_orders_min=self.live_paper_orders_min,
            paper_days_min=self.live_paper_days_min,
        )

    @property
    def store_url(self) -> str:
        """The database, with the embedded default filled in."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'brokergw.db').resolve()}"

    @property
    def upgrades_itself(self) -> bool:
        """Whether tables are brought up to date at start."""
        if self.database_auto_upgrade is not None:
            return self.database_auto_upgrade
        return self.store_url.startswith("sqlite")


def split_address(address: str) -> tuple[str, int]:
    """Split `host:port`; raises ValueError that names the rule."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit():
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)
