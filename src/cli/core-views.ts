import { kindOf, type LoadedPipeline } from '../config/load.ts'

/** A pipeline as a picture needs it: what it reads, and who reads from it. */
export function pipelineView({ config, topic }: LoadedPipeline) {
  return {
    pipeline: config.pipeline,
    topic,
    sources: Object.entries(config.sources).map(([source, options]) => ({ source, kind: kindOf(options).kind.kind })),
    jobs: Object.entries(config.batch).map(([job, { sources }]) => ({ job: `${config.pipeline}.${job}`, sources })),
    analysers: Object.entries(config.analysers).map(([analyser, { sources }]) => ({
      analyser: `${config.pipeline}.${analyser}`,
      sources,
    })),
  }
}
