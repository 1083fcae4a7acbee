import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { archive, seal } from '../../scripts/bundle/archive.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface TinyBundle {
  readonly version: string
  readonly build?: string
  readonly arch?: string
  readonly stateBuffer?: number
  /** What it says of a configuration: nothing wrong, unless set. */
  readonly validates?: boolean
}

/** A bundle that has all that install.sh looks at, and a program of a few lines in it: for tests of install.sh alone. */
export function tinyBundle(
  folder: string,
  { version, build = 'aaaa', arch, stateBuffer = 2, validates = true }: TinyBundle,
): string {
  const name = `headrace-${version}-linux-${arch ?? hostArch()}`
  const into = join(folder, name)
  for (const path of ['bin', 'systemd', 'share/man/man1', 'share/bash-completion/completions', 'share/zsh/site-functions'])
    mkdirSync(join(into, path), { recursive: true })
  writeFileSync(
    join(into, 'bin/headrace'),
    `#!/bin/sh\ncase $1 in --version) echo ${version} ;; validate) echo "$2:1:1: said by ${version}"; exit ${validates ? 0 : 2} ;; esac\n`,
  )
  cpSync(join(ROOT, 'deploy/systemd'), join(into, 'systemd'), { recursive: true })
  cpSync(join(ROOT, 'install.sh'), join(into, 'install.sh'))
  for (const path of [
    'share/man/man1/headrace.1',
    'share/bash-completion/completions/headrace',
    'share/zsh/site-functions/_headrace',
  ])
    writeFileSync(join(into, path), `of ${version}\n`)
  const state = `state_buffer=${stateBuffer}\nstate_log=1\nstate_readers=1\n`
  writeFileSync(join(into, 'RELEASE'), `version=${version}\nbuild=${build}\narch=${arch ?? hostArch()}\n${state}`)
  seal(into)
  return archive(into, 0, 'gzip')
}

export function hostArch(): string {
  return process.arch === 'arm64' ? 'arm64' : 'x64'
}

/** A root file system that has no more than install.sh asks of one. */
export function bareRoot(folder: string): string {
  mkdirSync(join(folder, 'etc'), { recursive: true })
  writeFileSync(join(folder, 'etc/os-release'), 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
  writeFileSync(join(folder, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n')
  writeFileSync(join(folder, 'etc/group'), 'root:x:0:\ndialout:x:20:\n')
  writeFileSync(join(folder, 'etc/shadow'), 'root:*:1::::::\n')
  writeFileSync(join(folder, 'etc/gshadow'), 'root:*::\ndialout:*::\n')
  return folder
}

/** Every file, folder and link below a folder with its rights, owner and content: what "as it was" means. */
export function snapshot(folder: string): string[] {
  // The copies that tools for users leave beside their files, and their lock, say nothing.
  const list = `find . -not -path './etc/*-' -not -name .pwd.lock -printf '%P %y %m %U:%G %l\\n' | sort; find . -type f -not -path './etc/*-' -not -name .pwd.lock -print0 | sort -z | xargs -0r sha256sum`
  return execFileSync('sh', ['-c', list], { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 })
    .trim()
    .split('\n')
}
