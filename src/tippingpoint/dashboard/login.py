"""Who looks at the pages: Streamlit's own login where its secrets.toml has [auth], and what each may take away."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tippingpoint.core.errors import InputError

INSTALL = "Type pip install 'tippingpoint[dashboard]' 'streamlit[auth]'."
SECRETS = ".streamlit/secrets.toml"
SETTINGS = "TIPPINGPOINT_DASHBOARD"
"""The environment variable that tells the pages the settings, as JSON: a command line can be read by others."""
SHORTEST = 32
"""Characters of a cookie secret: who guesses it is whoever they say they are."""
VIEWS = "Only list-makers download this: who started the pages says who is one (list_makers=)."
TABLES_HAVE_NO_TOOLBAR = "<style>[data-testid='stElementToolbar'] {display: none}</style>"
"""Streamlit offers each table as a file."""


def configured() -> bool:
    """Whether Streamlit's secrets configure a login; asked before anything is served.

    Raises
    ------
    InputError
        When they do by half, or cannot be read, or what a login needs is not installed.
    """
    folders = (Path.home() / ".streamlit", Path(".streamlit"))
    if "STREAMLIT_SECRETS_FILES" not in os.environ and not any(folder.is_dir() for folder in folders):
        return False  # Streamlit takes half a second to import
    from streamlit import config
    from streamlit.runtime.secrets import secrets_singleton

    there = [path for path in config.get_option("secrets.files") if Path(path).exists()]
    try:
        readable = secrets_singleton.load_if_toml_exists()
    except (OSError, UnicodeDecodeError):
        readable = False
    if there and not readable:
        raise InputError(" or ".join(there), "cannot be read", "It holds TOML: correct it, or move it away.")
    if not there or "auth" not in secrets_singleton:
        return False
    if wrong := _wrong(secrets_singleton["auth"]):
        raise InputError(f"[auth] in {SECRETS}", *wrong)
    return True


def _wrong(auth: Any) -> tuple[str, str] | None:
    """What is wrong with that section, and the remedy."""
    from streamlit.auth_util import is_authlib_installed, validate_auth_credentials
    from streamlit.errors import StreamlitAuthError

    if not isinstance(auth, Mapping) or not (there := providers(auth)):
        return "names no provider", "Give it client_id, client_secret and server_metadata_url, or remove the section."
    if not is_authlib_installed():
        return "needs Authlib 1.3.2 or newer", INSTALL
    try:
        for provider in there:
            validate_auth_credentials(provider)
    except StreamlitAuthError as error:
        said = " ".join(str(error).split()).removesuffix(" Please check your configuration.")
        return said, "Complete the section, or remove it."
    where = urlsplit(str(auth["redirect_uri"]))
    if where.scheme not in ("http", "https") or not where.path.endswith("/oauth2callback"):
        remedy = "Give the pages' own address with that end: http://localhost:8501/oauth2callback"
        return "has a redirect_uri that does not end in /oauth2callback", remedy
    if len(str(auth["cookie_secret"])) < SHORTEST:
        remedy = "Put in what this prints: python -c 'import secrets; print(secrets.token_hex())'"
        return f"has a cookie_secret of fewer than {SHORTEST} characters", remedy
    return None


def providers(auth: Mapping[str, Any]) -> list[str]:
    """Names of the providers in that section; without a name it is `default`.

    >>> providers({"cookie_secret": "…", "client_id": "…", "google": {"client_id": "…"}})
    ['default', 'google']
    """
    named = [name for name, value in auth.items() if isinstance(value, Mapping) and name != "client_kwargs"]
    unnamed = any(key in auth for key in ("client_id", "client_secret", "server_metadata_url"))
    return ["default", *named] if unnamed and "default" not in named else named


def passed() -> bool:
    """Whether the pages may be shown: there is no login, or somebody is logged in; else ask for it."""
    import streamlit as st

    if not _on():
        return True
    there = providers(_auth())
    if not there:
        st.error("The login that was configured is there no more. Have the pages started again.")
        return False
    if st.user.get("is_logged_in") is not True:
        st.title("tippingpoint")
        st.markdown("Log in to see the pages.")
        for name in there:
            said = "Log in" if len(there) == 1 else f"Log in with {name}"
            st.button(said, type="primary", on_click=st.login, args=(name,), key=f"login {name}")
        return False
    makes = makes_lists()
    with st.sidebar:
        st.text(f"{_name(st.user)}, {'list-maker' if makes else 'viewer'}")
        st.button("Log out", on_click=st.logout, icon=":material/logout:")
    if not makes:
        st.html(TABLES_HAVE_NO_TOOLBAR)
    return True


def makes_lists() -> bool:
    """Whether who looks may download lists, save policies and name tables; where there is no login, everybody may."""
    import streamlit as st

    return not _on() or is_one_of(st.user, _settings().get("list_makers", []))


def is_one_of(claims: Mapping[str, Any], makers: list[str]) -> bool:
    """Whether the provider vouches for an address that is listed, or of a domain that is.

    >>> is_one_of({"email": "Ann@Example.com"}, ["@example.com"])
    True
    >>> is_one_of({"email": "ann@example.com", "email_verified": False}, ["ann@example.com"])
    False
    """
    email, vouched = claims.get("email"), claims.get("email_verified", True)
    if not isinstance(email, str) or vouched not in (True, "true") or claims.get("is_logged_in", True) is not True:
        return False
    address = email.casefold()
    _, at, domain = address.rpartition("@")
    return any(maker.casefold() in (address, at + domain) for maker in makers)


def _name(claims: Mapping[str, Any]) -> str:
    return str(next((claims[key] for key in ("email", "name", "sub") if claims.get(key)), "somebody"))


def _on() -> bool:
    """Whether there is a login: there was when the pages started, or is by now."""
    return bool(_settings().get("login") or _auth())


def _auth() -> Mapping[str, Any]:
    from streamlit.auth_util import get_secrets_auth_section

    return get_secrets_auth_section()


def _settings() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(os.environ.get(SETTINGS, "{}"))
    return found
