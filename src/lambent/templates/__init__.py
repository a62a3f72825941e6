"""The language of CloudFormation templates, which the delivery tool and the stacks both read."""
