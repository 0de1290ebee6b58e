# Makes the keys and tokens of this folder, by PyJWT:
#
#     python3 -m venv venv && venv/bin/pip install 'pyjwt[crypto]==2.15.1' && venv/bin/python make.py
#
# Each run makes new keys, so all files change together. The private keys are thrown away.

import base64
import hashlib
import hmac
import json

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

SECRET = "an example of a secret, for tests only"
FAR = 4102444800  # The year 2100.

keys = {
    "rsa": ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "p256": ("ES256", ec.generate_private_key(ec.SECP256R1())),
    "ed25519": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
}
other = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header, claims):
    return b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())


for name, (_, key) in keys.items():
    open(f"{name}.pub", "wb").write(pem(key))
open("secret", "w").write(SECRET + "\n")

jwks = {
    "rsa": RSAAlgorithm.to_jwk(keys["rsa"][1].public_key(), as_dict=True),
    "p256": ECAlgorithm.to_jwk(keys["p256"][1].public_key(), as_dict=True),
    "ed25519": OKPAlgorithm.to_jwk(keys["ed25519"][1].public_key(), as_dict=True),
    "secret": HMACAlgorithm.to_jwk(SECRET, as_dict=True),
}
jwks = {"keys": [{"kid": name, **{k: v for k, v in key.items() if k != "key_ops"}} for name, key in jwks.items()]}
json.dump(jwks, open("jwks.json", "w"), indent=2)
open("jwks.json", "a").write("\n")

own = {"sub": "anna", "exp": FAR, "sse": {"subscribe": ["news/*", "inbox/anna"], "publish": ["inbox/*"]}}
tokens = {}
for name, (algorithm, key) in keys.items():
    tokens[name] = jwt.encode(own, key, algorithm)
    tokens[f"{name} by name"] = jwt.encode(own, key, algorithm, headers={"kid": name})
tokens["secret"] = jwt.encode(own, SECRET, "HS256")
tokens["secret by name"] = jwt.encode(own, SECRET, "HS256", headers={"kid": "secret"})


def secret(name, claims, **more):
    tokens[name] = jwt.encode(claims, SECRET, "HS256", **more)


# What Mercure's users have.
book = "https://example.com/books/{id}"
secret("mercure", {"exp": FAR, "mercure": {"publish": ["*"], "subscribe": [book, "plain"], "payload": {"a": 1}}})
secret("mercure of all", {"exp": FAR, "mercure": {"subscribe": ["*"]}})
detail = {"type": "mercure", "actions": ["subscribe"], "topics": [{"match": "https://example.com/books/7"}]}
secret("mercure since 1", {"exp": FAR, "authorization_details": [detail]}, headers={"typ": "at+jwt"})
pattern = {"type": "mercure", "actions": ["subscribe"], "topics": [{"match": "/:id", "matchType": "URLPattern"}]}
secret("mercure with a pattern", {"exp": FAR, "authorization_details": [pattern]})
secret("mercure with an operator", {"exp": FAR, "mercure": {"subscribe": ["/a{?q}"]}})
secret("status", {"exp": FAR, "sse": {"status": True}})
secret("nothing", {"exp": FAR})
secret("audience", {**own, "aud": ["hub", "other"]})

# What must be refused.
secret("expired", {**own, "exp": 1700000000})
secret("early", {**own, "nbf": FAR - 1})
secret("without exp", {"sse": own["sse"]})
secret("exp as text", {**own, "exp": "2100"})
secret("exp below zero", {**own, "exp": -1})
secret("nbf as text", {**own, "nbf": "now"})
secret("rights as text", {**own, "sse": "all"})
secret("rights with a typo", {**own, "sse": {"subscribes": ["*"]}})
secret("unknown name", own, headers={"kid": "unknown"})
secret("critical", own, headers={"crit": ["b64x"], "b64x": True})
secret("huge", {**own, "padding": "a" * 9000})
tokens["another algorithm"] = jwt.encode(own, SECRET + SECRET, "HS512")
tokens["another key"] = jwt.encode(own, other, "RS256")
tokens["none"] = jwt.encode(own, None, "none")
tokens["none in capitals"] = unsigned({"alg": "NONE", "typ": "JWT"}, own) + "."
# The public key as a secret: PyJWT refuses to make it.
head = unsigned({"alg": "HS256", "typ": "JWT"}, own)
tokens["confused"] = head + "." + b64(hmac.new(pem(keys["rsa"][1]), head.encode(), hashlib.sha256).digest())
head, claims, signature = tokens["secret"].split(".")
tokens["other claims"] = ".".join([head, b64(json.dumps({**own, "sub": "eve"}).encode()), signature])
tokens["without a signature"] = f"{head}.{claims}."
tokens["not base64"] = f"{head}.{claims}.***"
tokens["not json"] = f"{b64(b'no json')}.{claims}.{signature}"

json.dump(tokens, open("tokens.json", "w"), indent=2)
open("tokens.json", "a").write("\n")
