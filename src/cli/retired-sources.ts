import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { writeDurably } from '../buffer/durable-file.ts'
import type { CheckedPipeline } from '../config/load.ts'
import type { Standing } from '../link/telling.ts'
import type { Clock } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import type { Logger } from '../runtime/logger.ts'

const fileSchema = z.object({
  version: z.literal(1),
  /** `left`: the core has it as retired. */
  sources: z.record(z.string(), z.object({ since: z.string(), left: z.boolean() })),
})
type Retired = z.output<typeof fileSchema>['sources']

/** The sources that a person retired on this gateway, in `<state>/edge/retired.json`: they are not read, whatever the pipelines say. */
export class RetiredSources {
  readonly #path: string
  readonly #clock: Clock
  readonly #sources: Map<string, Retired[string]>

  private constructor(path: string, clock: Clock, sources: Retired) {
    this.#path = path
    this.#clock = clock
    this.#sources = new Map(Object.entries(sources))
  }

  /** A file that cannot be read names none: what is read too much is no loss, and the core keeps what was retired from being mixed. */
  static open(path: string, clock: Clock, log: Logger): RetiredSources {
    if (!existsSync(path)) return new RetiredSources(path, clock, {})
    try {
      return new RetiredSources(path, clock, fileSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).sources)
    } catch (cause) {
      log.error({ path, reason: messageOf(cause) }, 'the list of retired sources cannot be read: retire them again')
      return new RetiredSources(path, clock, {})
    }
  }

  standingOf(source: string): Standing {
    const retired = this.#sources.get(source)
    if (!retired) return 'read'
    return retired.left ? 'left' : 'leaving'
  }

  has(source: string): boolean {
    return this.#sources.has(source)
  }

  /** What `status` says of it; undefined where it is not retired. */
  reasonOf(source: string): string | undefined {
    const retired = this.#sources.get(source)
    return retired && `retired on ${retired.since}${retired.left ? '' : '; the core does not know it yet'}`
  }

  /** On disk when it returns; a second time changes nothing. */
  add(source: string): void {
    if (this.#sources.has(source)) return
    this.#sources.set(source, { since: new Date(this.#clock.wallMs()).toISOString(), left: false })
    this.#write()
  }

  left(source: string): void {
    const retired = this.#sources.get(source)
    if (!retired || retired.left) return
    this.#sources.set(source, { ...retired, left: true })
    this.#write()
  }

  remove(source: string): void {
    if (this.#sources.delete(source)) this.#write()
  }

  #write(): void {
    writeDurably(this.#path, JSON.stringify({ version: 1, sources: Object.fromEntries(this.#sources) }))
  }
}

/** What is read of these pipelines. */
export function withoutRetired(pipelines: readonly CheckedPipeline[], retired: RetiredSources): CheckedPipeline[] {
  return pipelines.map(pipeline => {
    const sources = Object.entries(pipeline.config.sources).filter(([source]) => !retired.has(source))
    return { ...pipeline, config: { ...pipeline.config, sources: Object.fromEntries(sources) } }
  })
}
