"""Package, deploy and roll out; speaks boto3 only."""
