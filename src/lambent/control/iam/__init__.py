"""Who may do what: IAM's policy language and its evaluation.

`document` reads policies, `patterns` and `conditions` match a request against a statement, and
`evaluate` puts statements of all kinds together, explicit deny first. Rules only: where policies
are kept, and who the caller is, others know. (AWS IAM user guide, "IAM JSON policy elements
reference" and "Policy evaluation logic".)
"""
