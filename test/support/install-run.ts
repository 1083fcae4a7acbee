import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const INSTALLER = fileURLToPath(new URL('../../install.sh', import.meta.url))
/** Commands through which install.sh changes something. */
const CHANGING = ['mkdir', 'cp', 'mv', 'ln', 'chmod', 'tar', 'gzip', 'systemd-sysusers', 'sed', 'sha256sum', 'rm']

export interface Ran {
  readonly code: number
  readonly said: string
}

export function install(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise(resolve => {
    execFile('sh', [INSTALLER, ...args], { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, said: `${stdout}${stderr}` })
    })
  })
}

/** Runs it with the n-th command that changes something failing; says how many there were. */
export async function installFailingAt(n: number, args: readonly string[], folder: string): Promise<Ran & { commands: number }> {
  const shims = join(folder, 'shims')
  const count = join(folder, 'count')
  mkdirSync(shims, { recursive: true })
  writeFileSync(count, '0')
  for (const name of CHANGING) {
    const text = `#!/bin/sh\nread -r n <'${count}'\nn=$((n + 1))\necho $n >'${count}'\n[ $n -ne ${n} ] || { echo "${name} $* is made to fail" >&2; exit 1; }\nPATH='${process.env['PATH']}' exec ${name} "$@"\n`
    writeFileSync(join(shims, name), text)
    chmodSync(join(shims, name), 0o755)
  }
  const ran = await install(args, { PATH: `${shims}:${process.env['PATH']}` })
  return { ...ran, commands: Number(readFileSync(count, 'utf8')) }
}
