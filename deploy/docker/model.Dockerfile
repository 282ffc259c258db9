# syntax=docker/dockerfile:1
# A model folder as an image, for deploy/k8s/components/model-image. Its context is
# the folder that 'indexd model convert' wrote:
#
#   docker build -f deploy/docker/model.Dockerfile -t sightline-model:blip-base-int8 ./sightline-model
#
# busybox brings the cp with which an init container hands the files on.
ARG BUSYBOX_IMAGE=busybox:1.37.0-musl
FROM ${BUSYBOX_IMAGE} AS model
COPY --chown=65532:65532 . /model
USER 65532:65532
CMD ["cp", "-R", "/model", "/models/"]
