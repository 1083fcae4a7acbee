import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ran } from './install-run.ts'
import { bareRoot } from './tiny-bundle.ts'

/** Whether this machine lets these tests mount something in a namespace of their own; they are skipped where it does not. */
export function canMount(): boolean {
  return process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0
}

/**
 * A machine as far as install.sh sees one: a root of its own with this machine's programs, where systemd seems to run. Its `systemctl` writes down what it
 * is told, and does what {@link when} says.
 */
export class FakeMachine {
  readonly root: string

  constructor(folder: string) {
    this.root = bareRoot(folder)
    for (const name of [
      'usr',
      'local/bin',
      'proc',
      'dev',
      'tmp',
      'root',
      'run/systemd/system',
      'var/lib',
      'opt',
      'when',
      'etc/alternatives',
    ])
      mkdirSync(join(folder, name), { recursive: true })
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(folder, name))
    const systemctl = '#!/bin/sh\necho "$*" >>/told\nif [ -e "/when/$*" ]; then . "/when/$*"; fi\n'
    writeFileSync(join(folder, 'local/bin/systemctl'), systemctl)
    chmodSync(join(folder, 'local/bin/systemctl'), 0o755)
  }

  /** Runs a line of shell in it. */
  run(line: string): Promise<Ran> {
    const { root } = this
    const mounts = [
      ['/usr', 'usr'],
      ['/etc/alternatives', 'etc/alternatives'],
      [`${root}/local`, 'usr/local'],
      ['/proc', 'proc'],
      ['/dev', 'dev'],
    ].map(([from, to]) => `mount --rbind '${from}' '${root}/${to}'`)
    const script = `${mounts.join(' && ')} && exec chroot '${root}' /usr/bin/env PATH=/usr/local/bin:/usr/sbin:/usr/bin /bin/sh -c "$0"`
    return new Promise(resolve => {
      execFile('unshare', ['--mount', 'sh', '-c', script, line], (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, said: `${stdout}${stderr}` }),
      )
    })
  }

  /** Shell that systemctl runs when it is told this; `$PPID` is install.sh. */
  when(told: string, shell: string): void {
    writeFileSync(join(this.root, 'when', told), shell)
  }

  /** What systemctl was told since this was last asked. */
  told(): string[] {
    const file = join(this.root, 'told')
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
    writeFileSync(file, '')
    return lines
  }
}
