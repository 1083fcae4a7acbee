import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { provisioned, ran } from '../provisioned.ts'

const POM = fileURLToPath(new URL('./pom.xml', import.meta.url))

/** Class path of Kafka's broker and tools; fetched once from Maven Central into `.cache/`. Any number of processes may ask at once. */
export async function kafkaClassPath(): Promise<string> {
  const stamp = createHash('sha256').update(readFileSync(POM)).digest('hex')
  const home = await provisioned('kafka-4.3.1', stamp, async folder => {
    copyFileSync(POM, join(folder, 'pom.xml'))
    const lib = `-DoutputDirectory=${join(folder, 'lib')}`
    await ran('mvn', ['-B', '-q', '-f', join(folder, 'pom.xml'), 'dependency:copy-dependencies', '-DincludeScope=runtime', lib])
  })
  return join(home, 'lib', '*')
}
