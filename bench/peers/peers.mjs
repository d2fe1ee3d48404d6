// Local edits of the recorded sessions through other libraries, one library
// transaction for each transaction of the recording, as BenchmarkTrace does it.
//
//   npm install && node peers.mjs [TRACE...]
//
// Environment: CONCORD_TRACES, the folder of the traces; RUNS, how many runs
// each cell is the median of (default 3). Positions of the recordings are code
// points and those of yjs and loro UTF-16 units: in the sequential recordings
// there is no character where that differs.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'
import { LoroDoc } from 'loro-crdt'

const require = createRequire(import.meta.url)
const { Doc: DiamondDoc } = require('diamond-types-node')

const here = dirname(fileURLToPath(import.meta.url))
const folder = process.env.CONCORD_TRACES ?? join(here, '../../../shared/traces')
const runs = Number(process.env.RUNS ?? 3)
const names = process.argv.length > 2
  ? process.argv.slice(2)
  : ['automerge-paper', 'seph-blog1', 'rustcode', 'sveltecomponent']

const peers = {
  'diamond-types': (trace) => {
    const doc = new DiamondDoc('agent')
    for (const { patches } of trace.txns) {
      for (const [pos, deleted, inserted] of patches) {
        if (deleted > 0) doc.del(pos, deleted)
        if (inserted !== '') doc.ins(pos, inserted)
      }
    }
    const text = doc.get()
    doc.free()
    return text
  },
  'loro': (trace) => {
    const doc = new LoroDoc()
    const text = doc.getText('body')
    for (const { patches } of trace.txns) {
      for (const [pos, deleted, inserted] of patches) {
        if (deleted > 0) text.delete(pos, deleted)
        if (inserted !== '') text.insert(pos, inserted)
      }
      doc.commit()
    }
    return text.toString()
  },
  'yjs': (trace) => {
    const doc = new Y.Doc()
    const text = doc.getText('body')
    for (const { patches } of trace.txns) {
      doc.transact(() => {
        for (const [pos, deleted, inserted] of patches) {
          if (deleted > 0) text.delete(pos, deleted)
          if (inserted !== '') text.insert(pos, inserted)
        }
      })
    }
    return text.toString()
  },
}

function versionOf (name) {
  const file = { 'diamond-types': 'diamond-types-node', loro: 'loro-crdt', yjs: 'yjs' }[name]
  return JSON.parse(readFileSync(join(here, 'node_modules', file, 'package.json'), 'utf8')).version
}

console.log(`node ${process.version}, median of ${runs} runs (best), wall clock`)
for (const name of names) {
  const trace = JSON.parse(gunzipSync(readFileSync(join(folder, `${name}.seq.json.gz`))).toString())
  const edits = trace.txns.length
  for (const [peer, replay] of Object.entries(peers)) {
    const times = []
    for (let i = 0; i < runs; i++) {
      const start = performance.now()
      const text = replay(trace)
      times.push(performance.now() - start)
      if (text !== trace.endContent) throw new Error(`${peer}: ${name}: another text in the end`)
    }
    times.sort((a, b) => a - b)
    const median = times[times.length >> 1]
    console.log([
      name.padEnd(16), `${peer} ${versionOf(peer)}`.padEnd(22),
      `${median.toFixed(1)} ms (${times[0].toFixed(1)})`.padStart(22),
      `${(median * 1e6 / edits).toFixed(0)} ns/txn`.padStart(16),
    ].join(' '))
  }
}
