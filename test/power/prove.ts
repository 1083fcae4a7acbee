import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SeededRandom } from '../support/random.ts'
import { type CrashState, drawHow, type How, PowerlessDisk } from './crash-states.ts'
import { memoryFolder } from './memory-folder.ts'
import type { Recording } from './recording.ts'
import { wrongWith } from './survivors.ts'
import { Told } from './told.ts'

export interface Finding {
  readonly at: number
  readonly how: How
  readonly wrong: readonly string[]
}

export interface Proof {
  /** Different contents of the disk that were opened. */
  readonly states: number
  readonly found: readonly Finding[]
  readonly stored: number
}

/**
 * Cuts the power at so many moments of a recording, and opens what the disk may then hold. Ends with the first that is wrong where `untilFound`.
 */
export async function prove(
  recording: Recording,
  options: { states: number; random: SeededRandom; untilFound?: true },
): Promise<Proof> {
  const { root, events, posted, lines } = recording
  const { states, random } = options
  const disk = new PowerlessDisk(root)
  const told = new Told(posted)
  const seen = new Set<string>()
  const found: Finding[] = []
  for (const [at, event] of events.entries()) {
    disk.apply(event)
    told.apply(event)
    // Nothing that could be lost is another state only where a sync has just made it one.
    if (!disk.isUnsettled && event.kind !== 'sync') continue
    for (let left = states / events.length; random.next() < left; left--) {
      const state = disk.state(drawHow(random), random)
      const key = keyOf(state)
      if (seen.has(key)) continue
      seen.add(key)
      const wrong = await open(state, root, told, lines)
      if (wrong.length === 0) continue
      found.push({ at, how: state.how, wrong })
      if (options.untilFound) return { states: seen.size, found, stored: told.stored.size }
    }
  }
  return { states: seen.size, found, stored: told.stored.size }
}

async function open(state: CrashState, root: string, told: Told, lines: readonly string[]): Promise<string[]> {
  const folder = mkdtempSync(join(memoryFolder(), 'headrace-power-'))
  try {
    const at = (path: string) => join(folder, path.slice(root.length))
    for (const path of state.folders) mkdirSync(at(path), { recursive: true })
    for (const [path, content] of state.files) writeFileSync(at(path), content)
    return await wrongWith(folder, told, lines)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function keyOf({ folders, files }: CrashState): string {
  const hash = createHash('sha1').update(folders.join('\n'))
  for (const [path, content] of files) hash.update(path).update(content)
  return hash.digest('hex')
}
