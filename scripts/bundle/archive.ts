import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** `xz`: as small as it can be, a minute and a half on a slow machine. `gzip`: in seconds, half as large again; for trying out. */
export type Compression = 'xz' | 'gzip'
/** Without time, name, or threads, the same bytes come out. */
const COMPRESSORS: Readonly<Record<Compression, { command: string; suffix: string }>> = {
  xz: { command: 'xz -6 --threads=1', suffix: 'xz' },
  gzip: { command: 'gzip -1 -n', suffix: 'gz' },
}

export function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Gives files the same rights whoever made them, and writes SHA256SUMS of all of them, as `sha256sum --check` reads it. */
export function seal(folder: string): void {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => statSync(join(folder, path)).isFile())
    .sort()
  for (const path of files) {
    const isProgram = path.startsWith('bin/') || path === 'install.sh'
    chmodSync(join(folder, path), isProgram ? 0o755 : 0o644)
  }
  writeFileSync(join(folder, 'SHA256SUMS'), files.map(path => `${sha256(join(folder, path))}  ${path}\n`).join(''))
}

/** The folder as one file beside it: names sorted, owner 0, the same time for all. Gives its path. `epoch`: seconds since 1970. */
export function archive(folder: string, epoch: number, compression: Compression): string {
  const { command, suffix } = COMPRESSORS[compression]
  const path = `${folder}.tar.${suffix}`
  const args = ['--create', '--file', path, '--directory', dirname(folder), '--sort=name', `--mtime=@${epoch}`, '--format=ustar']
  const owners = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u+rwX,go+rX,go-w']
  execFileSync('tar', [...args, ...owners, `--use-compress-program=${command}`, basename(folder)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return path
}
