"""What `lambent deploy` finds wrong with a template, a source folder or its dependencies."""

from __future__ import annotations

from typing import Final

from lambent.problems.entry import Entry

ENTRIES: Final = (
    Entry(
        "SIGN_PROFILE",
        "A signing profile cannot be made or used.",
        "Its name is not one, or there is no key of it in the folder of profiles.",
        "`lambent sign profile NAME`, or `--dir` where the profiles are.",
    ),
    Entry(
        "SIGN_PACKAGE",
        "A package cannot be signed as it is.",
        "It is no zip, is signed already, has a comment or 65,534 entries, or something stands "
        "before or behind the zip in the file.",
        "Zip the files anew, or sign the package that was there before.",
    ),
    Entry(
        "TEMPLATE_MISSING",
        "There is no template to deploy.",
        "The folder has no `template.yaml`, and no flags describe a function.",
        "`lambent init`, `cd` to the project, or `-t PATH`.",
    ),
    Entry(
        "TEMPLATE_INVALID",
        "The template cannot be read as AWS SAM.",
        "It is not YAML, or a property is missing or of the wrong kind; the message says where.",
        "Mend the line that the message names.",
    ),
    Entry(
        "TEMPLATE_WITHOUT_FUNCTION",
        "The template has no function.",
        "It holds other resources only.",
        "Add an `AWS::Serverless::Function`; other resources are deployed by AWS SAM or Terraform.",
    ),
    Entry(
        "DEV_NEEDS_ZIP",
        "`lambent dev` works with zip packages.",
        "A function of the project is a container image, which takes seconds to build.",
        "`lambent deploy` after a change, or name the functions that are zips.",
    ),
    Entry(
        "IMAGE_NOT_FOUND",
        "There is no image at that path.",
        "It is neither an OCI layout folder nor a docker archive.",
        "Give a layout folder (`PATH:TAG`), a `.tar` of `docker save`, or a registry's `HOST/NAME:TAG`.",
    ),
    Entry(
        "IMAGE_INVALID",
        "An image cannot be had, or is not one that can be used.",
        "Its tag is not there, a digest does not fit, a layer cannot be read, or the registry refuses.",
        "Check the name and the tag; `lambent doctor --fix` installs skopeo, `skopeo login` logs in.",
    ),
    Entry(
        "IMAGE_BASE",
        "The base does not do for what is to be built on it.",
        "It has no Python to install packages for, or this machine cannot make such a base.",
        "`--base` names another: a layout folder, an archive, or a registry's `HOST/NAME:TAG`.",
    ),
    Entry(
        "IMAGE_LIMITS",
        "The image is larger than Lambda takes.",
        "More than 127 layers, or more than 10 GB uncompressed.",
        "`lambent image size` shows what is in it, largest first.",
    ),
    Entry(
        "IMAGE_REPOSITORY",
        "The image was built, and there is no registry to send it to.",
        "A server elsewhere, or AWS, fetches images from a registry.",
        "`--image-repository HOST/NAME`, or `image_repository` under `Metadata: lambent`.",
    ),
    Entry(
        "DOCKERFILE_INVALID",
        "A line of the Dockerfile cannot be read.",
        "It is misspelt, names a file that is not there, or a variable that nothing has set.",
        "Mend the line that the message names.",
    ),
    Entry(
        "DOCKERFILE_UNSUPPORTED",
        "The Dockerfile wants something that only Docker can do.",
        "Images are made here without running anything: FROM, ARG, ENV, LABEL, WORKDIR, COPY, ADD of "
        "files, RUN pip install, CMD and ENTRYPOINT are understood.",
        "Build that part elsewhere into a base image, or push a whole image and give its `ImageUri`.",
    ),
    Entry(
        "TEMPLATE_UNRESOLVED",
        "A value refers to something that is not known before it is deployed.",
        "`!Ref`, `!GetAtt` or `!ImportValue` of a resource that lambent does not deploy.",
        "Write the value, or make it a parameter and give `--parameter K=V`.",
    ),
    Entry(
        "PARAMETER_UNKNOWN",
        "`--parameter` names one that the template does not declare.",
        "A typing error.",
        "The `fix` line lists the parameters there are.",
    ),
    Entry(
        "POLICY_TEMPLATE",
        "A SAM policy template is not read here.",
        "`Policies` uses one of SAM's shorthands, which only SAM itself expands.",
        "Write its `Statement`, name a managed policy, or give `--role ARN`.",
    ),
    Entry(
        "SOURCE_NOT_FOUND",
        "The folder to package does not exist.",
        "`CodeUri` or `--source` points elsewhere.",
        "Mend the path; it is relative to the template.",
    ),
    Entry(
        "SOURCE_EMPTY",
        "The folder holds no file to package.",
        "Everything in it is excluded, or the path is wrong.",
        "Check `CodeUri`, and the patterns in `.lambentignore`.",
    ),
    Entry(
        "SYMLINK_LEAVES_SOURCE",
        "A symbolic link points outside of the folder.",
        "The package would lack what it points to, or take what nobody meant to ship.",
        "Copy the file into the folder, or exclude the link in `.lambentignore`.",
    ),
    Entry(
        "SYMLINK_LOOP",
        "A symbolic link points to a folder that contains it.",
        "Following it would never end.",
        "Exclude the link in `.lambentignore`.",
    ),
    Entry(
        "PROJECT_INVALID",
        "`pyproject.toml` is not TOML.",
        "A syntax error; the message has its place.",
        "Mend it.",
    ),
    Entry(
        "UV_MISSING",
        "uv, which installs dependencies, is not there.",
        "It is neither beside Python nor on the PATH.",
        "`pip install uv`.",
    ),
    Entry(
        "NO_WHEEL",
        "A dependency has no wheel for the function's runtime.",
        "Only its source is published for that Python, processor or Amazon Linux.",
        "Another version of it or another runtime; `--allow-source PACKAGE` builds it, which works "
        "when it needs no compiler or this machine is like Lambda's.",
    ),
    Entry(
        "PACKAGE_NOT_FOUND",
        "The package index has no such dependency.",
        "A typing error in the requirements, or a private index that is not configured.",
        "Mend the name, or configure the index for uv (`UV_INDEX_URL`).",
    ),
    Entry(
        "DEPENDENCIES_FAILED",
        "uv could not install the dependencies.",
        "`why` is uv's own reason: a conflict, a network that is down, a full disk.",
        "Mend that, then deploy again.",
    ),
    Entry(
        "BYTECODE_FAILED",
        "A file of the package cannot be compiled.",
        "A syntax error for the function's Python version.",
        "Mend the file, or `--no-bytecode` to ship sources only.",
    ),
    Entry(
        "MODEL_MISSING",
        "The model that the template names is not there.",
        "It was not trained, or the training script wrote it elsewhere.",
        "Put it there, or name a script under `Metadata: lambent`: `train: train.py`.",
    ),
    Entry(
        "TRAINING_FAILED",
        "The training script failed.",
        "`why` is its last line.",
        "Run the script by hand, mend it, deploy again.",
    ),
    Entry(
        "PACKAGE_TOO_MANY_FILES",
        "The zip would hold more files than a zip without extensions can.",
        "A dependency brings tens of thousands of files.",
        "Exclude what the function does not need in `.lambentignore`.",
    ),
    Entry(
        "PACKAGE_TOO_LARGE",
        "Unzipped, the package passes Lambda's 250 MB.",
        "`why` names the largest parts.",
        "Leave out what is not needed; load large models from elsewhere.",
    ),
    Entry(
        "PACKAGE_NEEDS_BUCKET",
        "Zipped, the package passes the 50 MB that can be sent directly.",
        "Larger ones go through S3.",
        "`--bucket NAME`.",
    ),
    Entry(
        "INFERENCE_MISSING",
        "`lambent model` needs the inference server's package.",
        "It brings the format of model packages, and is not installed beside lambent.",
        "`pip install lambent-inference`.",
    ),
    Entry(
        "MODEL_TOOL_FAILED",
        "The tool for model packages ended without an answer.",
        "Its last line is in the message; a broken installation is the usual reason.",
        "`python -m lambent_inference.tool ls FOLDER` shows all of it.",
    ),
    Entry(
        "COMPILER_MISSING",
        "`lambent model compile` needs scikit-learn's converters.",
        "They are an extra, to be installed where the model's own packages are.",
        "`pip install 'lambent[compile]'`.",
    ),
    Entry(
        "SAMPLE_MISSING",
        "A model was to be compiled without a sample.",
        "A conversion can be silently wrong, and rows are what it is proved with.",
        "`--sample rows.csv` with some hundred rows in the columns of training.",
    ),
    Entry(
        "SAMPLE_INVALID",
        "The sample is not a table with the columns that the model was trained on, or no pictures.",
        "`why` says what is missing.",
        "A CSV file with a header, a column for every feature, and at least one row; of an ONNX "
        "graph of pictures, a folder of them.",
    ),
    Entry(
        "MODEL_UNREADABLE",
        "The model's file cannot be loaded, or holds no estimator.",
        "Pickles need the packages, in the versions, that they were made with.",
        "Install those, and save the fitted estimator or pipeline itself.",
    ),
    Entry(
        "MODEL_NEEDS_JOBLIB",
        "The model cannot be converted, and only a pickle holds it.",
        "The gate or a known silent failure stood against ONNX, and skops does not trust its types.",
        "`--allow-joblib`, if you trust the file; the message says what stood against ONNX.",
    ),
    Entry(
        "GRAPH_INVALID",
        "The ONNX file is broken, or no ONNX file.",
        "`why` is what ONNX's own checker, or the runtime, has against it.",
        "Export it again.",
    ),
    Entry(
        "GRAPH_DATA_MISSING",
        "The graph keeps its weights in a second file, which is not there.",
        "Large graphs are exported as two files; only one was copied.",
        "Put the file that the message names beside the graph.",
    ),
    Entry(
        "GRAPH_TOO_NEW",
        "The graph is written for a newer onnxruntime than is installed.",
        "Its opset or its format's version is not known here, nor where the function runs.",
        "Export with `opset_version=17`, or upgrade onnxruntime.",
    ),
    Entry(
        "GRAPH_OPERATOR_UNKNOWN",
        "The graph uses an operator that onnxruntime does not have.",
        "It comes from a framework's own set, or from a library of custom operators.",
        "Export with ONNX's own operators.",
    ),
    Entry(
        "GRAPH_TASK_UNKNOWN",
        "What the graph is for, or how many classes it has, was not said and cannot be seen.",
        "Several tasks have inputs and outputs of these shapes.",
        "`--task`, and `--family` and `--classes` where they matter; docs/models.md has both lists.",
    ),
    Entry(
        "GRAPH_UNSUITABLE",
        "The inference server cannot answer with the graph.",
        "Its inputs or outputs are not those of the task and family; `why` is the server's reason.",
        "Another `--family`, or an export that ends as docs/models.md says.",
    ),
    Entry(
        "QUANTISATION_FAILED",
        "The graph cannot be brought to 8 bits.",
        "It is already, has nothing to gain, or onnxruntime's tool does not know a part of it.",
        "Leave `--int8` out.",
    ),
    Entry(
        "QUANTISATION_LOSS",
        "The graph in 8 bits answers worse than is allowed.",
        "`why` has the measure on the sample, before and after.",
        "Leave `--int8` out; or `--max-loss SHARE` or `--accept-loss`, if that is good enough.",
    ),
    Entry(
        "MODEL_PACKAGE_INVALID",
        "A model package, or its model.json, is not what it should be.",
        "The message names the file or the field.",
        "docs/models.md has every field; `lambent model push` writes the checksums.",
    ),
    Entry(
        "MODEL_UNDESCRIBED",
        "A model without model.json was pushed without saying what it is.",
        "Its id, version, task and family decide how it is served.",
        "Give the flags that the `fix` line names.",
    ),
    Entry(
        "MODEL_NOT_FOUND",
        "There is no such model, or no such folder.",
        "A typing error, or another registry.",
        "`lambent model ls --registry URI`.",
    ),
    Entry(
        "MODEL_FORMAT_UNKNOWN",
        "What another tool left cannot become a package.",
        "Only ONNX graphs and scikit-learn estimators are taken over.",
        "Export the model to ONNX with its own framework.",
    ),
    Entry(
        "MODEL_TARGET_NOT_EMPTY",
        "`model import` would write into a folder with files.",
        "A package is a folder of its own.",
        "Name a new folder.",
    ),
    Entry(
        "MODEL_REGISTRY_UNSUITABLE",
        "The registry can be read by the server but not written to or listed.",
        "Only folders and buckets can.",
        "Use file:// or s3://; copy the files to a web server yourself.",
    ),
    Entry(
        "MODEL_REGISTRY_MISSING",
        "The registry's folder does not exist.",
        "A typing error, or nothing was pushed yet.",
        "`lambent model push FOLDER --registry URI` makes it.",
    ),
    Entry(
        "MODEL_REGISTRY_UNREACHABLE",
        "The bucket did not do what was asked.",
        "No credentials, no permission, no such bucket, or no network; the message has S3's code.",
        "`aws s3 ls` with the same credentials shows more; AWS_ENDPOINT_URL_S3 says where S3 is.",
    ),
    Entry(
        "MODEL_REGISTRY_BUSY",
        "The registry's index was changed by others again and again.",
        "Many pushes at once.",
        "Push again; the files are there already.",
    ),
    Entry(
        "YAML_MISSING",
        "PyYAML is not installed where the inference server is.",
        "MLflow's and BentoML's descriptions are YAML.",
        "`pip install pyyaml`.",
    ),
    Entry(
        "LAYER_TOO_LARGE",
        "A layer is larger than a function may be.",
        "A function and its layers together unpack to at most 262,144,000 bytes.",
        "Leave out what is not needed: tests, data, packages that nobody imports.",
    ),
    Entry(
        "LAYER_RUNTIME",
        "A requirements file was given for a runtime that is not Python.",
        "Only Python packages are installed into layers; other runtimes' layers are folders.",
        "A folder with `nodejs/node_modules`, `ruby/gems`, `bin` or `lib` in it.",
    ),
    Entry(
        "LAYER_UNKNOWN",
        "There is no such layer, or no such version of it.",
        "It was never published here, or has been deleted; layers belong to an account and region.",
        "`lambent layer ls`, `--region`, `--endpoint-url`.",
    ),
)
