"""Signatures of packages: made by `lambent sign`, judged by the server before code is deployed.

    statement.py   what is signed: the package's digest, by which profile, when, until when
    envelope.py    where it stands: the last entry of the zip, which changes no other byte
    profiles.py    who signs: key pairs, and the certificates that a server trusts
    judging.py     all together: from a zip and the trusted certificates to a `Finding`

AWS Signer's own signatures cannot be judged: their format is not public, nor are the keys.
"""
