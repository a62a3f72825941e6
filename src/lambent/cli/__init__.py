"""The command line: one file per verb; speaks boto3 and HTTP only."""
