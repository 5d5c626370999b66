// The page for administrators.
import { render } from "preact";
import { Administration } from "./admin/shell";
import "./ui/theme";

render(<Administration />, document.getElementById("page")!);
