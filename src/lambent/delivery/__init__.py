"""Delivery: from a folder and a SAM template to a live function, through the AWS API alone.

`template` reads what the user wrote, `package` makes the zip (`source`, `dependencies`,
`bytecode`, `elf`, `archive`), `deploy` brings it to Lambda with boto3: here or on AWS, the endpoint
is the whole difference. Nothing below this room is imported.
"""
