import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { archive, seal } from '../../scripts/bundle/archive.ts'
import { hostArch } from './tiny-bundle.ts'

/** The same bundle as another version; `change` may break its compiled files. Gives its path. */
export function asVersion(bundle: string, version: string, change?: (code: string, file: string) => string): string {
  const folder = mkdtempSync(join(bundle, '..', 'version-'))
  execFileSync('tar', ['-xzf', bundle, '-C', folder])
  const [before = ''] = readdirSync(folder)
  const into = join(folder, `headrace-${version}-linux-${hostArch()}`)
  renameSync(join(folder, before), into)
  for (const file of ['RELEASE', 'app/package.json']) edit(join(into, file), text => text.replace(/\b0\.\d+\.\d+\b/, version))
  const code = join(into, 'app/lib/headrace')
  if (change) for (const file of readdirSync(code)) edit(join(code, file), text => change(text, file))
  rmSync(join(into, 'SHA256SUMS'))
  seal(into)
  const made = archive(into, 0, 'gzip')
  const path = join(bundle, '..', `headrace-${version}-linux-${hostArch()}.tar.gz`)
  renameSync(made, path)
  rmSync(folder, { recursive: true })
  return path
}

function edit(path: string, change: (text: string) => string): void {
  const text = readFileSync(path, 'utf8')
  const changed = change(text)
  if (changed !== text) writeFileSync(path, changed)
}
