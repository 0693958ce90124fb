{
  description = "Armature's tools, pinned. Python packages stay with Bazel and the hashed locks.";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];

      # What a developer runs: the build, the locks, and the servers that plans with runtime=nats and telemetry start.
      tools =
        pkgs: with pkgs; [
          bazel_8
          python311
          uv
          nats-server
          etcd
          prometheus
          graphviz
          cacert
        ];

      shells = pkgs: {
        # nix develop
        default = pkgs.mkShell {
          name = "armature";
          packages = tools pkgs;
        };

        # nix develop .#cuda -- the wheels of the CUDA lock look for libraries where other distributions keep them, and
        # for the driver's where NixOS does not: this shell has the usual tree, and the driver's folder on the path.
        cuda =
          (pkgs.buildFHSEnv {
            name = "armature-cuda";
            targetPkgs =
              p:
              tools p
              ++ (with p; [
                zlib
                numactl
                rdma-core
                libnl
                ninja
                gcc
              ]);
            profile = ''
              export LD_LIBRARY_PATH="/run/opengl-driver/lib''${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
            '';
            runScript = "bash";
          }).env;
      };
    in
    {
      devShells = nixpkgs.lib.genAttrs systems (system: shells nixpkgs.legacyPackages.${system});
    };
}
