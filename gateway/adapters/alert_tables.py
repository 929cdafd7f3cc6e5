"""The tables of alerts in `state.db`: a migration that `state_sqlite` carries out in its turn."""

ALERTS = """
    create table alert_instances (
        identity text primary key, alert text not null, kind text not null, scope text not null, state text not null,
        told text not null, summary text not null
    ) without rowid;
    create table alerts_said (
        number integer primary key, message text not null unique, at text not null, silenced integer not null,
        alert text not null
    );
    create table outbox (
        number integer primary key, receiver text not null, message text not null, due text not null,
        attempts integer not null, resend integer not null, since text, alert text not null, unique (receiver, message)
    );
    create table mailboxes (
        receiver text primary key, address text not null, disabled text not null, not_before text, last_at text,
        last_message text not null, last_status integer not null, last_result text not null, last_words text not null,
        failed integer not null
    ) without rowid;
    create table silences (
        id text primary key, matcher text not null, until text not null, made_at text not null, comment text not null
    ) without rowid;
    create table accepted (incident text primary key) without rowid;
"""
