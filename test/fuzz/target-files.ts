import type { Target } from './harness/target.ts'

/** Every file with targets; a short and a long run take the same ones. */
export const TARGET_FILES = [
  'sources',
  'records',
  'files',
  'answers',
  'amqp',
  'doors',
  'http',
  'modbus',
  'gateway',
  'identity',
].map(name => new URL(`./targets/${name}.ts`, import.meta.url).href)

export async function targetsOf(file: string): Promise<readonly Target[]> {
  return ((await import(file)) as { targets: readonly Target[] }).targets
}
