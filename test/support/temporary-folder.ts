import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that goes with this process, where that ends by itself; for what is made as a module loads and has nobody who ends it. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `headrace-${name}-`))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
