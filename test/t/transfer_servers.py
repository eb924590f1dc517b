"""Servers on 127.0.0.1 for the tests of mails and file transfers.

    transfer_servers.py smtp|ftp|sftp PORT DIRECTORY [option ...]

smtp writes each mail to DIRECTORY/mails.jsonl; options: starttls, smtps, login.  The name
before the @ of a recipient says what is answered: later 451, nobody 550.
ftp and sftp serve DIRECTORY to the user ann with the password "the password"; ftp with the
option ftps has TLS from the beginning.  sftp takes the key DIRECTORY/../user_key.pub too.
DIRECTORY/../server.crt and server.key are the certificate, host_key the key of the host.
"""
import asyncio
import base64
import json
import os
import ssl
import sys

USER, PASSWORD = "ann", "the password"


def tls_context(directory):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(os.path.join(directory, "..", "server.crt"), os.path.join(directory, "..", "server.key"))
    return context


def serve_forever(loop, begin):
    loop.run_until_complete(begin)
    loop.run_forever()


def smtp(port, directory, options):
    from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

    class Handler:
        async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
            name = address.split("@")[0]
            if name == "later":
                return "451 4.7.1 Greylisted, try again later"
            if name == "nobody":
                return f"550 5.1.1 <{address}>: no such mailbox"
            if name == "gone":
                os._exit(1)
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):
            if b"\r\nX-Refuse: yes" in envelope.content:
                return "554 5.6.0 Message refused"
            with open(os.path.join(directory, "mails.jsonl"), "a") as file:
                file.write(json.dumps({
                    "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                    "login": session.authenticated, "hello": session.host_name,
                    "data": base64.b64encode(envelope.content).decode()}) + "\n")
            return "250 2.0.0 Queued"

    def authenticate(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and data.login == USER.encode() and data.password == PASSWORD.encode()
        return AuthResult(success=good, handled=good)

    context = tls_context(directory) if {"starttls", "smtps"} & set(options) else None

    def make():
        return SMTP(Handler(), hostname="mail.test", data_size_limit=64 * 1024 * 1024,
                    tls_context=context if "starttls" in options else None, require_starttls="starttls" in options,
                    authenticator=authenticate if "login" in options else None, auth_required="login" in options,
                    auth_require_tls="starttls" in options)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    serve_forever(loop, loop.create_server(make, "127.0.0.1", port, ssl=context if "smtps" in options else None))


def ftp(port, directory, options):
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import FTPServer

    handler = FTPHandler
    if "ftps" in options:
        from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler

        # a client may begin with TLS before it says what it wants
        class Data(TLS_DTPHandler):
            def readable(self):
                return self._ssl_accepting or super().readable()

        class Handler(TLS_FTPHandler):
            certfile = os.path.join(directory, "..", "server.crt")
            keyfile = os.path.join(directory, "..", "server.key")
            dtp_handler = Data

            def handle(self):
                self.secure_connection(self.ssl_context)

            def handle_ssl_established(self):
                super().handle()

        handler = Handler
    handler.authorizer = DummyAuthorizer()
    handler.authorizer.add_user(USER, PASSWORD, directory, perm="elradfmwMT")
    handler.auth_failed_timeout = 0
    FTPServer(("127.0.0.1", port), handler).serve_forever()


def sftp(port, directory, options):
    import asyncssh

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            return True

        def password_auth_supported(self):
            return True

        def validate_password(self, username, password):
            return username == USER and password == PASSWORD

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    serve_forever(loop, asyncssh.listen(
        "127.0.0.1", port, server_factory=Server, server_host_keys=[os.path.join(directory, "..", "host_key")],
        authorized_client_keys=os.path.join(directory, "..", "user_key.pub"),
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=directory)))


{"smtp": smtp, "ftp": ftp, "sftp": sftp}[sys.argv[1]](int(sys.argv[2]), sys.argv[3], sys.argv[4:])
