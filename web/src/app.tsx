// The page for people.
import { render } from "preact";
import { App } from "./shell";
import { startStream } from "./talk/stream";
import "./ui/theme";

startStream();
render(<App />, document.getElementById("page")!);
