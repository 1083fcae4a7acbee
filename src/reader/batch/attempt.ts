import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import type { Log } from '../../log/log.ts'
import type { Fields } from '../../record/fields.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { parseSourceKey, type SourceId } from '../../runtime/names.ts'
import { endOrphan, forgetProcess, keepProcess } from '../../runtime/orphan.ts'
import type { PoisonRecord, Range } from '../ledger.ts'
import { type Columns, csvRenderer, ndjsonRenderer, type Renderer, rawRenderer, type ValueShape } from '../render/renderer.ts'
import { Command } from './command.ts'
import { type Fed, feed } from './feed.ts'
import type { JobDefinition } from './job.ts'
import { fill, isForEachSource, type PlaceholderValues, sourceTexts } from './placeholders.ts'
import { POISON_PER_RUN_MAX, readPoison } from './poison.ts'
import type { RunFolder } from './run-folder.ts'
import type { RunLog } from './run-log.ts'
import { FileSink, type Sink, StreamSink } from './sinks.ts'

/** More than this does not fit into a process's environment (execve(2): 128 KiB a string): ranges are in their file always. */
const RANGES_IN_ENVIRONMENT_BYTES_MAX = 64 * 1024
const RANGES_FILE = 'ranges.json'
/** `{"<gateway>/<source>": {"<field>": {type, unit, description}}}`: what the registry knows of the fields, where it knows something. */
const FIELDS_FILE = 'fields.json'
/** Beside the run's directory, not in it: what the command says of bad records, and which process it is. */
const POISON_SUFFIX = '.poison'
const PROCESS_SUFFIX = '.process'

export interface AttemptOptions {
  readonly definition: JobDefinition
  readonly log: Log
  readonly runLog: RunLog
  readonly folder: RunFolder
  readonly run: string
  readonly number: number
  readonly atMs: number
  readonly ranges: readonly Range[]
  /** What is known of the sources' fields, by `<gateway>/<source>`. */
  readonly fields: Readonly<Record<string, Fields>>
  readonly poison: readonly PoisonRecord[]
  readonly missing: readonly string[]
  readonly signal: AbortSignal
  readonly onProgress: (records: number) => void
  /** Called at the steps that a kill may fall between. */
  readonly step: (name: 'prepared' | 'fed') => void
}

/** How one start of the command ended, if it did not end well. */
export class CommandFailure extends HeadraceError {
  readonly exitCode: number | null
  /** Records that the command says are bad; it may be started again without them. */
  readonly poison: readonly PoisonRecord[]

  constructor(message: string, exitCode: number | null, poison: readonly PoisonRecord[] = []) {
    super('command_failed', message)
    this.exitCode = exitCode
    this.poison = poison
  }
}

/** Starts the command once and hands it the ranges. Resolves where it exits 0 and has read all; rejects otherwise, with {@link CommandFailure} where it was it. */
export async function attempt(options: AttemptOptions): Promise<Fed> {
  const { definition, folder, run, runLog, ranges, fields, number } = options
  const poisonFile = runLog.path + POISON_SUFFIX
  const processFile = runLog.path + PROCESS_SUFFIX
  if (await endOrphan(processFile)) runLog.note('what was left of an earlier attempt was ended')
  await folder.begin()
  writeFileSync(poisonFile, '')
  writeFileSync(join(folder.working, RANGES_FILE), JSON.stringify(ranges))
  writeFileSync(join(folder.working, FIELDS_FILE), JSON.stringify(fields))
  runLog.note(`attempt ${number} of run ${run}`)
  const values = valuesOf(options)
  const { files, stdout } = definition.options
  let fed = files === undefined ? undefined : await intoFiles(files, values, options)
  options.step('prepared')
  const command = startCommand(options, values, poisonFile, stdout)
  try {
    if (command.pid !== undefined) keepProcess(processFile, command.pid)
  } catch (error) {
    command.abort()
    await command.ended
    throw error
  }
  let feedError: unknown
  if (files !== undefined) command.stdin.on('error', () => {}).end()
  else {
    try {
      fed = await intoStream(command, options)
    } catch (error) {
      feedError = error
      // A command may stop reading early and say why by its exit code; only one that is still reading is told to stop.
      if (error instanceof HeadraceError && error.code === 'command_failed' && command.stdin.destroyed) command.stdin.destroy()
      else command.abort()
    }
  }
  options.step('fed')
  const { exitCode, error } = await command.ended
  forgetProcess(processFile)
  const named = exitCode === definition.options.poison_exit_code ? readPoison(poisonFile, run, ranges) : []
  rmSync(poisonFile, { force: true })
  if (named.length > 0) throw new CommandFailure(sayPoison(named), exitCode, named)
  // Why it was told to stop says more than how it ended.
  if (feedError !== undefined && !isGone(feedError)) throw feedError
  if (error !== undefined) throw new CommandFailure(`${definition.options.run[0]}: ${error}`, exitCode)
  if (feedError !== undefined) throw feedError
  if (!fed) throw new HeadraceError('internal', 'a command ended well without having been fed')
  return fed
}

function isGone(error: unknown): boolean {
  return error instanceof HeadraceError && error.code === 'command_failed' && error.cause !== undefined
}

function sayPoison(named: readonly PoisonRecord[]): string {
  const [first] = named
  const more = named.length > 1 ? `, and ${named.length - 1} more` : ''
  return `the command says that a record is bad: ${first?.source} ${first?.sequence} (${first?.reason})${more}`
}

function startCommand(
  options: AttemptOptions,
  values: PlaceholderValues,
  poisonFile: string,
  stdout: string | undefined,
): Command {
  const { definition, folder, run, number, runLog, ranges, missing, signal, atMs } = options
  const { run: words, cwd, environment, time_limit } = definition.options
  const text = JSON.stringify(ranges)
  const filled = Object.entries(environment).map(([name, value]) => [name, fill(value, values)])
  const directory = resolve(definition.folder, cwd === undefined ? '.' : fill(cwd, values))
  const [program = '', ...args] = words.map(word => fill(word, values))
  return new Command({
    run: [programIn(directory, definition.folder, program), ...args],
    cwd: directory,
    environment: {
      ...Object.fromEntries(filled),
      HEADRACE_RUN_ID: run,
      HEADRACE_JOB: definition.name,
      HEADRACE_RUN_DIR: folder.working,
      HEADRACE_RUN_TIME: new Date(atMs).toISOString(),
      HEADRACE_ATTEMPT: String(number),
      HEADRACE_RANGES_FILE: join(folder.working, RANGES_FILE),
      HEADRACE_FIELDS_FILE: join(folder.working, FIELDS_FILE),
      HEADRACE_POISON_FILE: poisonFile,
      HEADRACE_MISSING: missing.join(' '),
      ...(text.length <= RANGES_IN_ENVIRONMENT_BYTES_MAX && { HEADRACE_RANGES: text }),
    },
    timeLimitMs: time_limit,
    signal,
    log: runLog,
    ...(stdout !== undefined && { stdout: join(folder.working, stdout) }),
  })
}

/** A path such as ./load.sh is meant from the working directory; where nothing is there, from beside the pipeline file. */
function programIn(directory: string, folder: string, program: string): string {
  if (!program.includes('/') || existsSync(resolve(directory, program))) return program
  const beside = resolve(folder, program)
  return existsSync(beside) ? beside : program
}

async function intoStream(command: Command, options: AttemptOptions): Promise<Fed> {
  const sink = new StreamSink(command.stdin)
  const renderers = renderersOf(options, false)
  const [first] = renderers.values()
  if (first?.head) await sink.write('', [Buffer.from(first.head)])
  return feedInto(sink, renderers, options)
}

async function intoFiles(files: string, values: PlaceholderValues, options: AttemptOptions): Promise<Fed> {
  const { ranges, folder } = options
  const apart = isForEachSource(files)
  const paths = new Map(
    ranges.map(range => {
      const texts = { ...values.texts, ...sourceTexts(range) }
      const path = fill(files, apart ? { ...values, texts } : values)
      return [range.source, isAbsolute(path) ? path : join(folder.working, path)]
    }),
  )
  if (apart && new Set(paths.values()).size < paths.size) {
    throw new HeadraceError('config_invalid', `files: "${files}" gives two sources the same file`, {
      advice: 'Sources of two gateways may have the same name: put {gateway} in it too.',
    })
  }
  const renderers = renderersOf(options, apart)
  const heads = new Map([...paths].map(([source, path]) => [path, renderers.get(source)?.head ?? '']))
  const sink = new FileSink(paths, heads)
  try {
    await sink.begin()
    return await feedInto(sink, renderers, options)
  } finally {
    await sink.close()
  }
}

function feedInto(sink: Sink, renderers: ReadonlyMap<string, Renderer>, options: AttemptOptions): Promise<Fed> {
  const { log, ranges, signal, onProgress, definition } = options
  const bySource = Map.groupBy(options.poison, ({ source }) => source)
  const poison = new Map(
    [...bySource].map(([source, records]) => [source, new Map(records.map(each => [each.sequence, each.reason]))] as const),
  )
  const unrenderable = definition.options.poison === 'dead_letter' ? ('skip' as const) : ('stop' as const)
  return feed({ log, ranges, renderers, poison, unrenderable, skippedMax: POISON_PER_RUN_MAX, signal, onProgress }, sink)
}

/**
 * One for each source. Unless the job names its columns, a source has its own in a file of its own; where all share one, they are those of all, and
 * records whose fields are not known stand whole beside them.
 */
function renderersOf({ definition, ranges }: AttemptOptions, apart: boolean): Map<string, Renderer> {
  const { options, shapeOf } = definition
  const shapes = ranges.map(range => shapeOf(sourceOf(range)))
  const shared: Columns = {
    names: [...new Set(shapes.flatMap(({ columns }) => columns))],
    hasWhole: shapes.some(({ columns }) => columns.length === 0),
  }
  const columnsFor = ({ columns }: ValueShape): Columns => {
    if (options.columns) return { names: options.columns, hasWhole: false }
    return apart ? { names: columns, hasWhole: columns.length === 0 } : shared
  }
  return new Map(
    ranges.map((range, index): [string, Renderer] => {
      const [id, shape] = [sourceOf(range), shapes[index] ?? shapeOf(sourceOf(range))]
      if (options.input === 'csv') return [range.source, csvRenderer(id, shape, columnsFor(shape))]
      return [range.source, options.input === 'raw' ? rawRenderer() : ndjsonRenderer(id, shape)]
    }),
  )
}

function valuesOf({ definition, folder, run, number, ranges, atMs }: AttemptOptions): PlaceholderValues {
  const [only] = ranges
  return {
    ...runValues(definition, run, atMs),
    texts: {
      ...runValues(definition, run, atMs).texts,
      run_dir: folder.working,
      ranges: JSON.stringify(ranges),
      ranges_file: join(folder.working, RANGES_FILE),
      fields_file: join(folder.working, FIELDS_FILE),
      attempt: String(number),
      ...(ranges.length === 1 && only && sourceTexts(only)),
    },
  }
}

/** What is known of a run before it has a directory. */
export function runValues({ name, options }: JobDefinition, run: string, atMs: number): PlaceholderValues {
  const [pipeline = '', job = ''] = name.split('.')
  return { atMs, timeZone: options.timezone, texts: { run_id: run, job, pipeline } }
}

function sourceOf(range: Range): SourceId {
  const id = parseSourceKey(range.source)
  if (!id) throw new HeadraceError('internal', `"${range.source}" is not a source`)
  return id
}
