-- CloudFormation stacks, whole: what each is made of, its events and its change sets.
CREATE TABLE stacks (
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    stack_id TEXT NOT NULL PRIMARY KEY,
    document BLOB NOT NULL
);
