"""The ways that alerts go, by the settings."""

from brokergw.app.settings import Settings, split_address
from brokergw.desk.alerts.delivery import Alerts
from brokergw.ports.alerts import AlertChannel, AlertOutbox
from brokergw.ports.clock import Clock
from brokergw.transport.mail import Mail, MailSettings
from brokergw.transport.webhook import Webhook


def open_alerts(settings: Settings, outbox: AlertOutbox, clock: Clock) -> Alerts:
    """Open every channel that is configured; raises ValueError for an address that is none."""
    return Alerts(channels_of(settings, clock), outbox, clock)


def channels_of(settings: Settings, clock: Clock) -> list[AlertChannel]:
    """Open the webhook and the mailer, where each is configured."""
    channels: list[AlertChannel] = []
    if settings.alert_webhook_url is not None and settings.alert_webhook_secret is not None:
        url, secret = settings.alert_webhook_url, settings.alert_webhook_secret
        channels.append(Webhook(url.get_secret_value(), secret.get_secret_value(), clock.now_ns))
    if settings.alert_email_server:
        channels.append(Mail(_mail_settings(settings)))
    return channels


def _mail_settings(settings: Settings) -> MailSettings:
    host, port = split_address(settings.alert_email_server)
    password = settings.alert_email_password
    return MailSettings(
        host=host,
        port=port,
        security=settings.alert_email_security,
        sender=settings.alert_email_from,
        recipients=[each.strip() for each in settings.alert_email_to.split(",") if each.strip()],
        user=settings.alert_email_user,
        password=password.get_secret_value() if password is not None else "",
    )
