"""The stage cache: outputs of stages under the digest of code, parameters and inputs."""
