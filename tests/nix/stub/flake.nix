{
  description = "Stands in for nixpkgs where it cannot be fetched: the names that our flake uses, as derivations that build nothing.";

  outputs =
    { self }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];

      packagesFor =
        system:
        let
          package =
            name:
            derivation {
              inherit name system;
              builder = "/bin/sh";
              args = [
                "-c"
                "echo ${name} > $out"
              ];
            };
          # The attributes that `nix develop` reads: a builder it may run as a shell, and a stdenv with a setup file.
          shell =
            { name, packages }:
            derivation {
              inherit name system packages;
              builder = "/bin/bash";
              args = [
                "-c"
                "echo shell > $out"
              ];
              outputs = [ "out" ];
              stdenv = derivation {
                name = "stdenv";
                inherit system;
                builder = "/bin/sh";
                args = [
                  "-c"
                  "/bin/mkdir $out; : > $out/setup"
                ];
              };
            };
          names = [
            "bazel_8"
            "python311"
            "uv"
            "nats-server"
            "etcd"
            "prometheus"
            "graphviz"
            "cacert"
            "zlib"
            "numactl"
            "rdma-core"
            "libnl"
            "ninja"
            "gcc"
          ];
          packages = builtins.listToAttrs (
            map (name: {
              inherit name;
              value = package name;
            }) names
          );
        in
        packages
        // {
          mkShell = shell;
          buildFHSEnv =
            {
              name,
              targetPkgs,
              profile,
              runScript,
            }:
            {
              # Every argument is used, so that a mistake in one fails the check.
              env = shell {
                name = "${name}-${builtins.substring 0 8 (builtins.hashString "sha256" (profile + runScript))}";
                packages = targetPkgs packages;
              };
            };
        };
    in
    {
      lib.genAttrs =
        names: make:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = make name;
          }) names
        );
      legacyPackages = builtins.listToAttrs (
        map (name: {
          inherit name;
          value = packagesFor name;
        }) systems
      );
    };
}
