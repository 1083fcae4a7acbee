import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Manifest } from '../../src/reader/batch/manifest.ts'
import { POISON_TOPIC } from '../../src/reader/batch/poison-letters.ts'
import { STEPS, type Step } from '../../src/reader/batch/runner.ts'
import { type Brokers, JobWorld } from '../reader/job-world.ts'
import { until } from '../support/until.ts'

const CHILD = fileURLToPath(new URL('./batch-child.ts', import.meta.url))
const OUT = '$HEADRACE_RUN_DIR/out'
const WAYS = {
  'standard input': { input: 'raw', poison: 'dead_letter', run: ['sh', '-c', `cat > "${OUT}"`] },
  files: { input: 'raw', poison: 'dead_letter', files: 'in', run: ['sh', '-c', `cat "$HEADRACE_RUN_DIR/in" > "${OUT}"`] },
}

/** A process that is killed at each step of a run, over the embedded log, or over Kafka; with `steps`, at these alone, and nothing else. */
export function describeBatchKill(brokers?: Brokers, steps: readonly Step[] = STEPS): void {
  const isWhole = steps === STEPS
  let world: JobWorld
  beforeEach(async () => {
    world = await new JobWorld(brokers).open()
    await world.lay('a', ['one', 'two', 'bad\nrecord'])
    await world.lay('b', ['three'])
  })
  afterEach(() => world.close())

  /** Runs the job in a process of its own, which dies at the step; gives how it ended. */
  function runUntil(options: object, step = ''): Promise<{ code: number | null; signal: string | null }> {
    return new Promise(resolve => {
      const child = spawn(process.execPath, [CHILD, world.folder, JSON.stringify(world.logIs), JSON.stringify(options), step], {
        stdio: 'inherit',
      })
      child.once('exit', (code, signal) => resolve({ code, signal }))
    })
  }

  /** Directories of runs that can be seen. */
  function published(): string[] {
    const runs = world.path('runs', 'plant.load')
    const names = existsSync(runs) ? readdirSync(runs) : []
    return names.filter(name => /^[0-9a-f]{16}$/.test(name)).map(name => join(runs, name))
  }

  /** What is wrong with a directory that can be seen: it has to be whole, as its manifest says. */
  function faultsOf(directory: string): string[] {
    if (!existsSync(join(directory, 'manifest.json'))) return ['it has no manifest']
    const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as Manifest
    return manifest.files.flatMap(({ path, sha256 }) => {
      const found = createHash('sha256')
        .update(readFileSync(join(directory, path)))
        .digest('hex')
      return found === sha256 ? [] : [`${path} is another than its manifest says`]
    })
  }

  const lines = (directory: string) =>
    readFileSync(join(directory, 'out'), 'utf8')
      .split('\n')
      .filter(line => line !== '')

  describe.each(Object.entries(WAYS).slice(0, isWhole ? undefined : 1))('kill -9, records on %s', (way, options) => {
    test.each(way === 'files' ? steps.filter(step => step === 'prepared' || step === 'published') : steps)(
      'at "%s" leaves nothing or all',
      async step => {
        expect(await runUntil(options, step)).toEqual({ code: null, signal: 'SIGKILL' })
        const isDone = world.offsets()['g/a'] !== undefined
        for (const directory of published()) expect(faultsOf(directory)).toEqual([])
        if (isDone) expect(published()).toHaveLength(1)
        expect(world.ledger.runs('plant.load', 9).map(({ state }) => state)).toEqual([isDone ? 'done' : 'running'])

        await world.lay('a', ['later'])
        expect(await runUntil(options)).toEqual({ code: 0, signal: null })
        expect(world.ledger.runs('plant.load', 9).map(({ state, attempts }) => [state, attempts])).toEqual([
          ['done', 1],
          ['done', 1],
        ])
        expect(world.offsets()).toEqual({ 'g/a': 4, 'g/b': 1 })
        expect(published().flatMap(lines).sort()).toEqual(['later', 'one', 'three', 'two'])
        for (const directory of published()) expect(faultsOf(directory)).toEqual([])
        const left = readdirSync(world.path('runs', 'plant.load')).filter(name => name.startsWith('.'))
        expect(left).toEqual([])
        const [poison] = (await world.log.claims()).filter(({ topic }) => topic === POISON_TOPIC)
        expect(poison && (await world.log.end(poison)).next).toBe(1)
      },
    )
  })

  if (isWhole)
    test('what is left of the command of a process that was killed is ended before the same run begins again', async () => {
      const slow = {
        input: 'raw',
        poison: 'dead_letter',
        run: ['sh', '-c', 'echo $$ > pid; trap "" TERM; cat > in; while :; do sleep 0.05; date >> alive; done'],
      }
      const child = spawn(process.execPath, [CHILD, world.folder, JSON.stringify(world.logIs), JSON.stringify(slow), ''], {
        stdio: 'inherit',
      })
      await until('the command is at work', () => existsSync(world.path('alive')))
      child.kill('SIGKILL')
      const pid = Number(world.read('pid'))
      expect(existsSync(`/proc/${pid}`)).toBe(true)
      expect(await runUntil({ ...slow, run: ['sh', '-c', `cat > "${OUT}"`] })).toEqual({ code: 0, signal: null })
      const state = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] : 'gone'
      expect(['gone', 'Z']).toContain(state)
    })

  if (isWhole)
    test('the look at a directory finds one that is not whole', async () => {
      expect(await runUntil(WAYS['standard input'])).toEqual({ code: 0, signal: null })
      const [directory = ''] = published()
      expect(faultsOf(directory)).toEqual([])
      truncateSync(join(directory, 'out'), 3)
      expect(faultsOf(directory)).toEqual(['out is another than its manifest says'])
    })
}
