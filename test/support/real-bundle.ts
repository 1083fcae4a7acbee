import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hostArch } from './tiny-bundle.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** `npm run bundle` of this checkout for this machine, quickly compressed. Gives its path. */
export function makeBundle(out: string, arch = hostArch(), root = ROOT): string {
  execFileSync(process.execPath, [join(root, 'scripts/bundle.ts'), '--quick', '--arch', arch, '--out', out], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [name] = readdirSync(out).filter(file => file.endsWith(`-${arch}.tar.gz`))
  if (name === undefined) throw new Error(`there is no bundle for ${arch} in ${out}`)
  return join(out, name)
}
