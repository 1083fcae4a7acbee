import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CoreProcess } from '../../src/cli/core-process.ts'
import type { EdgeStatus } from '../../src/cli/edge-status.ts'
import { type CommandRun, HeadraceProcess, headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'

export const GATEWAY = 'plant-a-1'
/** A machine that does much else starts slowly. */
const START_LIMIT_MS = 90_000

export interface UpStatus {
  readonly edge: EdgeStatus
  readonly core: Awaited<ReturnType<CoreProcess['status']>>
}

/** A line of NDJSON as a batch command reads it and as `tail --json` prints it. */
export interface Line {
  readonly gateway: string
  readonly source: string
  readonly seq: number
  readonly time_ms: number
  readonly value: unknown
}

/** `headrace up` on a folder of its own: pipeline, scripts and state lie in it, and go with it. */
export class Up {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-up-'))
  readonly state = join(this.folder, 'state')
  readonly process: HeadraceProcess
  readonly #others: HeadraceProcess[] = []

  constructor(pipeline: string, scripts: Readonly<Record<string, string>> = {}) {
    mkdirSync(join(this.folder, 'out'))
    writeFileSync(join(this.folder, 'p.yaml'), pipeline)
    for (const [name, text] of Object.entries(scripts)) {
      writeFileSync(join(this.folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    }
    this.process = new HeadraceProcess({ name: 'up', args: this.args, logPath: join(this.folder, 'up.log') })
  }

  /** Starts it and waits until it says that it is up. */
  async start(): Promise<void> {
    const before = this.#timesUp()
    this.process.start()
    await until(
      'headrace is up',
      () => {
        if (!this.process.running) throw new Error(`up ended at once: ${readFileSync(this.process.logPath, 'utf8')}`)
        return this.#timesUp() > before
      },
      START_LIMIT_MS,
    )
  }

  get args(): string[] {
    return ['up', join(this.folder, 'p.yaml'), '--state', this.state, '--gateway', GATEWAY]
  }

  run(...args: string[]): Promise<CommandRun> {
    return headrace([...args, '--state', this.state])
  }

  /** What a command says with `--json`. */
  async json<Result>(...args: string[]): Promise<Result> {
    const { stdout, stderr } = await this.run(...args, '--json')
    if (stdout === '') throw new Error(`${args.join(' ')} said nothing: ${stderr}`)
    return JSON.parse(stdout) as Result
  }

  status(): Promise<UpStatus> {
    return this.json<UpStatus>('status')
  }

  /** Waits until every source has brought so many records to the log, and has no more to bring. */
  drained(records: number): Promise<UpStatus> {
    return until(`${records} records of every source are settled`, async () => {
      const status = await this.status()
      const isDone = status.edge.sources.every(({ next, settled }) => next === records && settled === records)
      return isDone && status
    })
  }

  /** A command that runs on, such as `tail`; its lines so far. */
  follow(...args: string[]): { process: HeadraceProcess; lines(): Line[] } {
    const logPath = join(this.folder, `follow-${this.#others.length}`)
    writeFileSync(logPath, '')
    const process = new HeadraceProcess({ name: args.join(' '), args: [...args, '--state', this.state], logPath })
    this.#others.push(process)
    process.start()
    return { process, lines: () => linesOf(readFileSync(logPath, 'utf8')) }
  }

  exists(name: string): boolean {
    return existsSync(join(this.folder, name))
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8')
  }

  write(name: string): void {
    writeFileSync(join(this.folder, name), '')
  }

  remove(name: string): void {
    rmSync(join(this.folder, name))
  }

  /** Ends whatever still runs, and removes the folder. */
  async end(): Promise<void> {
    for (const process of [this.process, ...this.#others]) await process.end()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  #timesUp(): number {
    return existsSync(this.process.logPath) ? readFileSync(this.process.logPath, 'utf8').split('headrace is up:').length - 1 : 0
  }
}

/** Whole lines of NDJSON. */
export function linesOf(text: string): Line[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Line)
}

/** Sequence numbers by source, in the order in which they came. */
export function sequencesOf(lines: readonly Line[]): Record<string, number[]> {
  const bySource = Map.groupBy(lines, ({ source }) => source)
  return Object.fromEntries([...bySource].map(([source, own]) => [source, own.map(({ seq }) => seq)]))
}

export function countTo(end: number, start = 0): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index)
}
