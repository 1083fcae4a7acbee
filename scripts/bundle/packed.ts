import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A package's tarball as npm's registry has it, kept in `cache`; unpacked into `into`. Throws where its bytes are not those that are named. */
export function unpackPackage(
  spec: { name: string; version: string; integrity: string },
  folders: { cache: string; into: string },
  files: readonly string[] = ['package'],
): void {
  mkdirSync(folders.cache, { recursive: true })
  const file = join(folders.cache, `${spec.name.replace('@', '').replace('/', '-')}-${spec.version}.tgz`)
  if (!existsSync(file)) {
    const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folders.cache, `${spec.name}@${spec.version}`]
    execFileSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const digest = createHash('sha512').update(readFileSync(file)).digest('base64')
  if (`sha512-${digest}` !== spec.integrity) throw new Error(`${file} is not what the lock says: delete it, and try again`)
  mkdirSync(folders.into, { recursive: true })
  execFileSync('tar', ['-xzf', file, '-C', folders.into, '--strip-components=1', ...files])
}
